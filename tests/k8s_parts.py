"""What can be added to the manifests: components, the example to copy, snapshots.

Kinds that Kubernetes itself doesn't have (`monitoring.coreos.com`,
`snapshot.storage.k8s.io`) are in no schema here. Of those it is checked that they
select what is there, and ask a port that it has.
"""

import re

from k8s_render import K8S, kustomize, kustomize_of, objects

# Every overlay with every component.
OVERLAYS = ["overlays/journal", "overlays/nats"]
MONITORS = ["components/service-monitor", "components/pod-monitor"]


def by_kind(items, kind):
    return [item for item in items if item["kind"] == kind]


def selected(monitor, items):
    """The objects of a kind that a monitor's selector matches."""
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    return [item for item in items if wanted <= item["metadata"].get("labels", {}).items()]


def check_monitors(items, check):
    """That Prometheus would find the admin port of each pod, once for each."""
    (workload,) = by_kind(items, "Deployment") + by_kind(items, "StatefulSet")
    for monitor in by_kind(items, "ServiceMonitor"):
        services = selected(monitor, by_kind(items, "Service"))
        check(len(services) == 1, f"the ServiceMonitor selects {len(services)} Services")
        for service in services:
            ports = [port["name"] for port in service["spec"]["ports"]]
            (endpoint,) = monitor["spec"]["endpoints"]
            check(endpoint["port"] in ports, "the ServiceMonitor asks an unknown port")
            check(endpoint["path"] == "/metrics", "the ServiceMonitor asks another path")
    for monitor in by_kind(items, "PodMonitor"):
        pods = selected(monitor, [workload["spec"]["template"]])
        check(len(pods) == 1, "the PodMonitor selects no pod")
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        check(endpoint["port"] == "admin", "the PodMonitor asks another port than admin")
        check(endpoint["path"] == "/metrics", "the PodMonitor asks another path")


def check_rules(items, check):
    """That a PrometheusRule has the rules that promtool tests."""
    (rules,) = objects((K8S / "monitoring" / "rules.yaml").read_text(encoding="utf-8"))
    found = by_kind(items, "PrometheusRule")
    check([rule["spec"] for rule in found] == [rules], "the rules are not those of k8s/monitoring")


def variables(workload):
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry["value"] for entry in container["env"]}


def check_components(check, check_all):
    for overlay in OVERLAYS:
        for component in MONITORS:
            items = kustomize_of(overlay, [component])
            check(any("Monitor" in item["kind"] for item in items), f"{component} adds no monitor")
            check_monitors(items, check)
        check_rules(kustomize_of(overlay, ["components/prometheus-rule"]), check)
        items = kustomize_of(overlay, ["components/envoy"])
        check_all(items)
        (workload,) = by_kind(items, "Deployment") + by_kind(items, "StatefulSet")
        check(variables(workload).get("ORDERS_OVERLOAD_STATUS") == "429", "Envoy would eject a busy pod")
    items = kustomize_of("overlays/nats", ["components/nats-creds", "components/nats-tls"])
    check_all(items)
    (workload,) = by_kind(items, "Deployment")
    names = sorted(name for name in variables(workload) if re.fullmatch("ORDERS_NATS_.*(USER|FILE|TLS.*)", name))
    check(names == [f"ORDERS_NATS_{it}" for it in ("CREDS_FILE", "TLS_CA", "TLS_CERT", "TLS_KEY")], f"{names}")


def check_example(check, check_all):
    """The overlay to copy: all of it in its namespace, with its image."""
    items = objects(kustomize(K8S / "examples" / "production"))
    check_all(items)
    check_monitors(items, check)
    check_rules(items, check)
    (namespace,) = by_kind(items, "Namespace")
    for item in items:
        where = item["metadata"].get("namespace")
        outside = item["kind"] != "Namespace" and where != namespace["metadata"]["name"]
        check(not outside, f"{item['kind']} {item['metadata']['name']} is in {where}")
    (workload,) = by_kind(items, "StatefulSet")
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    check(container["image"].startswith("registry.example/"), "the image is not replaced")


def check_snapshot(check, schemas):
    """That what is put back is the volume that the pod mounts."""
    folder = K8S / "examples" / "volume-snapshot"
    (snapshot,) = objects((folder / "snapshot.yaml").read_text(encoding="utf-8"))
    restore = objects((folder / "restore.yaml").read_text(encoding="utf-8"))
    schemas(restore)
    items = objects((K8S / "deploy.yaml").read_text(encoding="utf-8"))
    (workload,) = by_kind(items, "StatefulSet")
    (template,) = workload["spec"]["volumeClaimTemplates"]
    name = f"{template['metadata']['name']}-{workload['metadata']['name']}-0"
    check(snapshot["spec"]["source"]["persistentVolumeClaimName"] == name, "it is of another volume")
    claims = {claim["metadata"]["name"]: claim for claim in by_kind(restore, "PersistentVolumeClaim")}
    check(claims[name]["spec"] == template["spec"], f"{name} is not as the StatefulSet makes it")
    check(claims[name]["metadata"]["labels"] == template["metadata"]["labels"], f"{name} has other labels")
    (job,) = by_kind(restore, "Job")
    pod = job["spec"]["template"]
    volumes = {volume["name"]: volume["persistentVolumeClaim"]["claimName"] for volume in pod["spec"]["volumes"]}
    (container,) = pod["spec"]["containers"]
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    arguments = container["args"]
    source, target = (mounts[arguments[arguments.index(flag) + 1]] for flag in ("--from", "--data-dir"))
    check(claims[source]["spec"]["dataSource"]["kind"] == "VolumeSnapshot", "it is restored from no snapshot")
    check(target == name, "it is restored to another volume")
    for service in by_kind(items, "Service"):
        sends = service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        check(not sends, f"Service {service['metadata']['name']} would send orders to the job")
