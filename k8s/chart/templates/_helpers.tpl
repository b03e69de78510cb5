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

{{- /* What the ledger needs, then what the values say. */ -}}
{{- define "orders.settings" -}}
ORDERS_LISTEN: "0.0.0.0:8080"
ORDERS_GRPC_LISTEN: "0.0.0.0:50051"
ORDERS_ADMIN_LISTEN: "0.0.0.0:9090"
ORDERS_DRAIN_TIMEOUT: 25s
{{- if eq .Values.ledger "nats" }}
ORDERS_LEDGER: {{ .Values.nats.servers | quote }}
ORDERS_NATS_REPLICAS: {{ .Values.nats.replicas | quote }}
{{- if .Values.nats.user }}
ORDERS_NATS_USER: {{ .Values.nats.user | quote }}
ORDERS_NATS_PASSWORD_FILE: /run/secrets/nats/password
{{- end }}
{{- else }}
ORDERS_DATA_DIR: /data
{{- with .Values.journal.retainBytes }}
ORDERS_RETAIN_BYTES: {{ . | quote }}
{{- end }}
{{- end }}
{{- end -}}
