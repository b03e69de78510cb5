{{- define "orders.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "orders.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "orders.labels" -}}
{{ include "orders.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "orders.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- /* Secrets of the NATS ledger: the names of the volumes, each with its Secret. */ -}}
{{- define "orders.secrets" -}}
{{- if and (eq .Values.ledger "nats") (ne .Values.nats.credentials "none") }}
nats: {{ .Values.nats.secret }}
{{- end }}
{{- if and (eq .Values.ledger "nats") .Values.nats.tls.secret }}
nats-tls: {{ .Values.nats.tls.secret }}
{{- end }}
{{- end -}}

{{- /* What the ledger needs, then what the values say. */ -}}
{{- define "orders.settings" -}}
ORDERS_LISTEN: "0.0.0.0:8080"
ORDERS_GRPC_LISTEN: "0.0.0.0:50051"
ORDERS_ADMIN_LISTEN: "0.0.0.0:9090"
ORDERS_DRAIN_TIMEOUT: 25s
{{- if eq .Values.ledger "nats" }}
ORDERS_LEDGER: {{ .Values.nats.servers | quote }}
ORDERS_NATS_REPLICAS: {{ .Values.nats.replicas | quote }}
{{- with .Values.nats.credentials }}
{{- if eq . "password" }}
ORDERS_NATS_USER: {{ required "nats.user is the user of the password" $.Values.nats.user | quote }}
{{- end }}
{{- if ne . "none" }}
ORDERS_NATS_{{ upper . }}_FILE: /run/secrets/nats/{{ . }}
{{- end }}
{{- end }}
{{- if .Values.nats.tls.secret }}
ORDERS_NATS_TLS_CA: /run/secrets/nats-tls/ca.crt
{{- if .Values.nats.tls.clientCertificate }}
ORDERS_NATS_TLS_CERT: /run/secrets/nats-tls/tls.crt
ORDERS_NATS_TLS_KEY: /run/secrets/nats-tls/tls.key
{{- end }}
{{- end }}
{{- else }}
ORDERS_DATA_DIR: /data
{{- with .Values.journal.retainBytes }}
ORDERS_RETAIN_BYTES: {{ . | quote }}
{{- end }}
{{- with .Values.journal.retainAge }}
ORDERS_RETAIN_AGE: {{ . | quote }}
{{- end }}
{{- end }}
{{- end -}}
