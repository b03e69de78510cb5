#!/usr/bin/env python3
"""Checks the manifests under k8s/: tests/k8s_check.py [--write]

k8s/deploy.yaml and k8s/nats.yaml are what kustomize renders from the overlays
(--write renders them again), and what the Helm chart gives. Every object is checked against the Kubernetes
schemas of two versions when `kubernetes-validate` is installed, and the relations
between objects that no schema knows: that the kill comes after the drain, that
probes ask the admin port, that selectors select. Needs PyYAML. Exits 1 and lists
what is wrong.
"""

import re
import sys

import k8s_chart
import k8s_parts
import k8s_render
from k8s_render import K8S, RENDERED, objects

# The drain deadline unless ORDERS_DRAIN_TIMEOUT says otherwise.
DRAIN_SECONDS_DEFAULT = 25
# After the drain's deadline, for the last commit and replies.
DRAIN_END_SECONDS = 4
# The oldest version with the native `sleep` action on by default.
KUBERNETES_OLDEST = "1.30"

# Kinds that are in no schema.
OTHERS = {"monitoring.coreos.com", "snapshot.storage.k8s.io"}

problems = []


def check(holds, message):
    if not holds:
        problems.append(message)


def variables_of_the_program():
    """A variable for each flag, as src/config declares them."""
    names = set()
    for source in (K8S.parent / "src" / "config").rglob("*.rs"):
        text = source.read_text(encoding="utf-8")
        for attribute, field in re.findall(r"#\[arg\((.*?)\)\]\s*pub (\w+):", text, re.DOTALL):
            if named := re.search(r'\blong = "([a-z0-9-]+)"', attribute):
                names.add(named[1])
            elif re.search(r"\blong\b", attribute):
                names.add(field)
    return {"ORDERS_" + name.replace("-", "_").upper() for name in names}


VARIABLES = variables_of_the_program()


def seconds(text):
    """`25s`, `500ms` or `1m` in seconds."""
    match = re.fullmatch(r"(\d+)(ms|s|m)", text)
    if match is None:
        raise ValueError(f"not a duration: {text!r}")
    return int(match[1]) * {"ms": 0.001, "s": 1, "m": 60}[match[2]]


def size_of(text):
    """`20Gi` (Kubernetes) or `18GiB` (the program) in bytes."""
    match = re.fullmatch(r"(\d+)([KMGT])iB?", text)
    if match is None:
        raise ValueError(f"not a size: {text!r}")
    return int(match[1]) << {"K": 10, "M": 20, "G": 30, "T": 40}[match[2]]


def port_of(address):
    return int(address.rsplit(":", 1)[1])


def selects(selector, labels):
    """Whether a non-empty label selector matches these labels."""
    return bool(selector) and selector.items() <= labels.items()


def check_schemas(items):
    try:
        import kubernetes_validate
    except ImportError:
        print("kubernetes-validate is not installed: schemas not checked")
        return
    for version in (KUBERNETES_OLDEST, kubernetes_validate.latest_version()):
        for item in items:
            if item["apiVersion"].split("/")[0] in OTHERS:
                continue
            try:
                kubernetes_validate.validate(item, version, strict=True)
            except (
                kubernetes_validate.ValidationError,
                kubernetes_validate.SchemaNotFoundError,
            ) as error:
                check(False, f"{item['kind']} against {version}: {error.message}")


def check_pod(spec, container, ports, env):
    admin = port_of(env["ORDERS_ADMIN_LISTEN"])
    check(ports.get("http") == port_of(env["ORDERS_LISTEN"]), "port http is not the one listened on")
    check(ports.get("admin") == admin, "port admin is not the one listened on")
    check(ports.get("grpc") == port_of(env["ORDERS_GRPC_LISTEN"]), "port grpc is not the one listened on")

    for probe, path in (
        ("startupProbe", "/healthz"),
        ("livenessProbe", "/healthz"),
        ("readinessProbe", "/readyz"),
    ):
        get = container[probe]["httpGet"]
        check(get["path"] == path, f"{probe} asks {get['path']}, not {path}")
        check(ports.get(get["port"], get["port"]) == admin, f"{probe} does not ask the admin port")

    drain = seconds(env["ORDERS_DRAIN_TIMEOUT"]) if "ORDERS_DRAIN_TIMEOUT" in env else DRAIN_SECONDS_DEFAULT
    pre_stop = container["lifecycle"]["preStop"]["sleep"]["seconds"] if "lifecycle" in container else 0
    grace = spec["terminationGracePeriodSeconds"]
    ends = drain + DRAIN_END_SECONDS + pre_stop
    check(grace > ends, f"grace {grace} s is not above preStop {pre_stop} s + drain {drain} s + {DRAIN_END_SECONDS} s")

    security = container["securityContext"]
    check(spec["securityContext"]["runAsNonRoot"] is True, "runAsNonRoot is not set")
    check(spec["securityContext"]["runAsUser"] > 0, "runs as root")
    check(spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", "seccomp is not RuntimeDefault")
    check(security["readOnlyRootFilesystem"] is True, "the root file system is writable")
    check(security["allowPrivilegeEscalation"] is False, "privilege escalation is allowed")
    check(security["capabilities"] == {"drop": ["ALL"]}, "capabilities are not all dropped")
    check(spec["enableServiceLinks"] is False, "service links may collide with ORDERS_ variables")


def check_volume(spec, container, env):
    (claim,) = spec["volumeClaimTemplates"]
    (mount,) = container["volumeMounts"]
    check(mount["name"] == claim["metadata"]["name"], "the volume that is mounted is not the one claimed")
    check(mount["mountPath"] == env["ORDERS_DATA_DIR"], "the data directory is not on the volume")
    check(claim["spec"]["accessModes"] == ["ReadWriteOncePod"], "two pods could share the volume")
    size = size_of(claim["spec"]["resources"]["requests"]["storage"])
    retained = size_of(env["ORDERS_RETAIN_BYTES"])
    check(retained <= 0.95 * size, f"the journal may keep {retained} bytes on a volume of {size}")


def check_stateless(workload, container, env, by_kind, policy):
    servers = env["ORDERS_LEDGER"]
    check(servers.startswith("nats://"), "several pods share no ledger but NATS")
    port = int(servers.rsplit(":", 1)[1])
    egress = [allowed["port"] for rule in policy["spec"]["egress"] for allowed in rule["ports"]]
    check(port in egress, f"the NetworkPolicy keeps the pods from NATS (port {port})")
    check(53 in egress, "the NetworkPolicy keeps the pods from DNS")
    check("ORDERS_DATA_DIR" not in env, "there is no volume to keep data on")
    mounts = {mount["name"]: mount["mountPath"] for mount in container.get("volumeMounts", [])}
    volumes = workload["spec"]["template"]["spec"].get("volumes", [])
    for volume in volumes:
        check("secret" in volume, f"volume {volume['name']} is no Secret")
    check(sorted(mounts) == sorted(volume["name"] for volume in volumes), "not each Secret is mounted")
    for name, value in env.items():
        if re.fullmatch("ORDERS_NATS_(.*_FILE|TLS_.*)", name):
            directories = [directory for directory in mounts.values() if value.startswith(directory + "/")]
            check(len(directories) == 1, f"{name} is in no Secret")
    check_update(workload["spec"], container)
    (scaler,) = by_kind["HorizontalPodAutoscaler"]
    target = scaler["spec"]["scaleTargetRef"]
    check(
        (target["kind"], target["name"]) == ("Deployment", workload["metadata"]["name"]),
        "the HorizontalPodAutoscaler scales something else",
    )
    (budget,) = by_kind["PodDisruptionBudget"]
    check(
        budget["spec"]["minAvailable"] < scaler["spec"]["minReplicas"],
        "the PodDisruptionBudget would block every node drain",
    )


def check_update(spec, container):
    """A pod leaves when its successor is known, and is not sent to when it drains."""
    update = spec["strategy"]["rollingUpdate"]
    check(update == {"maxUnavailable": 0, "maxSurge": 1}, "an update has fewer pods than there should be")
    check(spec.get("minReadySeconds", 0) >= 10, "a pod leaves before balancers know its successor")
    check(container["lifecycle"]["preStop"]["sleep"]["seconds"] >= 5, "a pod drains before balancers leave it out")


def check_relations(objects):
    by_kind = {}
    for item in objects:
        by_kind.setdefault(item["kind"], []).append(item)
    stateless = "Deployment" in by_kind
    (workload,) = by_kind["Deployment" if stateless else "StatefulSet"]
    (budget,) = by_kind["PodDisruptionBudget"]
    (policy,) = by_kind["NetworkPolicy"]

    labels = workload["spec"]["template"]["metadata"]["labels"]
    spec = workload["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    check_pod(spec, container, ports, env)
    for name in sorted(set(env) - VARIABLES):
        check(False, f"{name} is no variable of the program")

    if stateless:
        check_stateless(workload, container, env, by_kind, policy)
    else:
        check(workload["spec"]["replicas"] == 1, "a ledger is not shared: one replica only")
        services = {service["metadata"]["name"]: service["spec"] for service in by_kind["Service"]}
        governing = services.get(workload["spec"]["serviceName"])
        check(
            governing is not None and governing.get("clusterIP") == "None", "the StatefulSet's Service is not headless"
        )
        check_volume(workload["spec"], container, env)
        check("lifecycle" not in container, "a pod without a successor beside it waits before its drain")

    check(selects(workload["spec"]["selector"]["matchLabels"], labels), "the workload does not select its pods")
    check(selects(budget["spec"]["selector"]["matchLabels"], labels), "the PodDisruptionBudget selects no pod")
    check(
        budget["spec"].get("minAvailable", 0) == 0 or workload["spec"]["replicas"] > 1,
        "the PodDisruptionBudget would block every node drain",
    )
    check(selects(policy["spec"]["podSelector"]["matchLabels"], labels), "the NetworkPolicy selects no pod")
    for rule in policy["spec"]["ingress"]:
        for port in rule["ports"]:
            check(port["port"] in ports, f"the NetworkPolicy names an unknown port {port['port']}")
            open_to_all = not rule.get("from")
            check(port["port"] != "admin" or not open_to_all, "the admin port is open to everybody")

    for service in by_kind["Service"]:
        name = service["metadata"]["name"]
        check(selects(service["spec"]["selector"], labels), f"Service {name} selects no pod")
        for port in service["spec"]["ports"]:
            check(port["targetPort"] in ports, f"Service {name} targets an unknown port {port['targetPort']}")
        scraped = service["metadata"].get("annotations", {}).get("prometheus.io/port")
        check(scraped in (None, str(ports["admin"])), f"Service {name} is scraped at another port than admin")


def check_rendering(name):
    """Whether the committed file is what its overlay is rendered to."""
    committed = (K8S / name).read_text(encoding="utf-8")
    _, body = committed.split("\napiVersion:", 1)
    check(committed == k8s_render.with_head(name, f"apiVersion:{body}"), "its head was changed")
    if k8s_render.kustomize_command() is None:
        print(f"{name}: neither kubectl nor kustomize is installed: not rendered")
        return
    rendered = k8s_render.kustomize(K8S / "overlays" / RENDERED[name])
    check(objects(committed) == objects(rendered), "it is not what its overlay is rendered to: run with --write")


def check_all(items):
    check_schemas(items)
    check_relations(items)


def report(name, what):
    """Prints what was found; whether that is nothing."""
    for problem in problems:
        print(f"{name}: {problem}", file=sys.stderr)
    if not problems:
        print(f"{name}: {what}, all relations hold")
    holds = not problems
    problems.clear()
    return holds


def main():
    if sys.argv[1:] == ["--write"]:
        k8s_render.write()
    elif sys.argv[1:]:
        sys.exit(__doc__)
    hold = True
    for name in RENDERED:
        items = objects((K8S / name).read_text(encoding="utf-8"))
        check_rendering(name)
        check_all(items)
        hold &= report(name, f"{len(items)} objects")
    k8s_parts.check_snapshot(check, check_schemas)
    hold &= report("examples/volume-snapshot", "a snapshot and its way back")
    if k8s_render.kustomize_command() is not None:
        k8s_parts.check_components(check, check_all)
        hold &= report("components", "on each overlay")
        k8s_parts.check_example(check, check_all)
        hold &= report("examples/production", "rendered")
    if k8s_chart.check_if_possible(check, check_all):
        hold &= report("chart", "the same objects")
    return 0 if hold else 1


if __name__ == "__main__":
    sys.exit(main())
