"""The Helm chart: with its default values the objects of k8s/deploy.yaml, with
`ledger: nats` those of k8s/nats.yaml. Labels of Helm's own aside.
"""

import re

import k8s_render
from k8s_parts import by_kind, check_monitors, check_rules, variables
from k8s_render import K8S, objects

# What Helm's charts label beside the name.
OF_HELM = ["app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"]
# The values that give what an overlay gives.
SAME = {"deploy.yaml": {}, "nats.yaml": {"ledger": "nats"}}
IMAGE = {"image": {"tag": "latest"}}
# Values that only the chart has; each has to be found in the objects.
MORE = {
    "image": {"repository": "registry.example/orders", "digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "settings": {"ORDERS_OVERLOAD_STATUS": "429", "ORDERS_DRAIN_TIMEOUT": "20s"},
    "monitoring": {"serviceMonitor": True, "podMonitor": True, "rules": True, "labels": {"release": "prometheus"}},
    "journal": {"retainAge": "30days"},
    "podAnnotations": {"example/note": "text"},
    "nodeSelector": {"example/disk": "fast"},
    "tolerations": [{"key": "example/orders", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
}
# Values that must not be taken.
REFUSED = [
    {"ledger": "memory"},
    {"replicas": 2},
    {"nats": {"servers": "http://nats:4222"}},
    {"image": {"digest": "latest"}},
    {"settings": {"QUEUE": "1"}},
]


def plain(value):
    """Without Helm's labels, and with variables in the order of their names."""
    if isinstance(value, dict):
        value = {key: plain(item) for key, item in value.items() if key not in OF_HELM}
        if "env" in value:
            value["env"] = sorted(value["env"], key=lambda entry: entry["name"])
        return value
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def named(items):
    return {(item["kind"], item["metadata"]["name"]): plain(item) for item in items}


def differences(ours, other, path=""):
    """Paths at which two values differ."""
    if isinstance(ours, dict) and isinstance(other, dict):
        keys = sorted(set(ours) | set(other), key=str)
        return [line for key in keys for line in differences(ours.get(key), other.get(key), f"{path}/{key}")]
    return [] if ours == other else [f"{path} is {ours!r}, not {other!r}"]


def check_pod(pod, check):
    """That it has what only the chart's values can give it."""
    (container,) = pod["spec"]["containers"]
    image = "registry.example/orders@sha256:" + "0" * 64
    check(container["image"] == image, f"the image is {container['image']}")
    check(pod["metadata"].get("annotations") == MORE["podAnnotations"], "podAnnotations are left out")
    for name in ("imagePullSecrets", "nodeSelector", "tolerations", "affinity"):
        check(pod["spec"].get(name) == MORE[name], f"{name} is left out")


def check_chart(template, check, check_all):
    for name, values in SAME.items():
        items = objects(template(IMAGE | values, "order-processor"))
        expected = objects((K8S / name).read_text(encoding="utf-8"))
        for line in differences(named(items), named(expected)):
            check(False, f"as {name}: {line}")
        # A release of another name, with all that is optional.
        items = objects(template(values | MORE, "shop"))
        check_all(items)
        check_monitors(items, check)
        check_rules(items, check)
        (workload,) = by_kind(items, "Deployment") + by_kind(items, "StatefulSet")
        env = variables(workload)
        check(env["ORDERS_OVERLOAD_STATUS"] == "429", "a setting is left out")
        check(env["ORDERS_DRAIN_TIMEOUT"] == "20s", "a setting does not replace the default")
        check(env["ORDERS_QUEUE_BYTES"] == "128MiB", "one setting replaces the others")
        age = "30days" if workload["kind"] == "StatefulSet" else None
        check(env.get("ORDERS_RETAIN_AGE") == age, "retainAge is left out, or of no use")
        check_pod(workload["spec"]["template"], check)
    for form in ("none", "password", "token", "nkey", "creds"):
        for tls in ({}, {"secret": "tls"}, {"secret": "tls", "clientCertificate": True}):
            values = {"ledger": "nats", "nats": {"credentials": form, "tls": tls}}
            items = objects(template(values, "shop"))
            check_all(items)
            env = variables(*by_kind(items, "Deployment"))
            names = {name for name in env if re.fullmatch("ORDERS_NATS_(USER|.*_FILE|TLS_.*)", name)}
            expected = {"ORDERS_NATS_TLS_CA"} if tls else set()
            expected |= {"ORDERS_NATS_TLS_CERT", "ORDERS_NATS_TLS_KEY"} if "clientCertificate" in tls else set()
            expected |= {f"ORDERS_NATS_{form.upper()}_FILE"} if form != "none" else set()
            expected |= {"ORDERS_NATS_USER"} if form == "password" else set()
            check(names == expected, f"{values} give {sorted(names)}")
    for values in REFUSED:
        try:
            template(values, "shop")
        except ValueError:
            continue
        check(False, f"{values} are taken")


def check_if_possible(check, check_all):
    """The chart, if there is something to render it with; whether there was."""
    template = k8s_render.helm_template()
    if template is None:
        print("chart: neither helm nor helm-python-sdk is installed: not rendered")
        return False
    found = k8s_render.helm_lint()
    check(not found, f"helm lint: {found}")
    check_chart(template, check, check_all)
    return True
