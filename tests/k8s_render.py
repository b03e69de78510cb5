"""Renders the manifests under k8s/: kustomize for the overlays, Helm for the chart.

The real programs do it: `kubectl kustomize` (or `kustomize build`), and `helm
template` or the Python package helm-python-sdk, which holds the same engine. A
renderer that is not installed is `None` here; .ci/run installs both.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
K8S = ROOT / "k8s"
# What is committed as a rendering, and of which overlay.
RENDERED = {"deploy.yaml": "journal", "nats.yaml": "nats"}
# What has to be done before.
BEFORE = {"nats.yaml": "# kubectl create secret generic order-processor-nats --from-file=password\n"}
RULE = K8S / "components" / "prometheus-rule" / "prometheus-rule.yaml"


def program(name):
    """A program beside this Python, else on the path."""
    beside = pathlib.Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name)


def objects(text):
    return [item for item in yaml.safe_load_all(text) if item]


def kustomize_command():
    if kubectl := program("kubectl"):
        return [kubectl, "kustomize"]
    if kustomize := program("kustomize"):
        return [kustomize, "build"]
    return None


def kustomize(directory):
    """The text that a kustomization is rendered to."""
    done = subprocess.run([*kustomize_command(), str(directory)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{directory}: {done.stderr.strip()}")
    return done.stdout


def with_head(name, text):
    """A rendering as it is committed."""
    overlay = RENDERED[name]
    return (
        f"{BEFORE.get(name, '')}"
        f"# kubectl apply -f k8s/{name}\n"
        f"#\n"
        f"# Rendered from k8s/overlays/{overlay}, whose files say why each setting is as it\n"
        f"# is. Change those, then run tests/k8s_check.py --write.\n"
        f"{text}"
    )


def prometheus_rule():
    """The alerts as an object of the Prometheus Operator."""
    rules = (K8S / "monitoring" / "rules.yaml").read_text(encoding="utf-8")
    body = "".join(f"  {line}\n" if line else "\n" for line in rules.splitlines())
    return (
        "# Rendered from k8s/monitoring/rules.yaml by tests/k8s_check.py --write.\n"
        "apiVersion: monitoring.coreos.com/v1\n"
        "kind: PrometheusRule\n"
        "metadata:\n"
        "  name: order-processor\n"
        "  labels:\n"
        "    app.kubernetes.io/name: order-processor\n"
        f"spec:\n{body}"
    )


def write():
    """Writes the renderings that are committed."""
    if kustomize_command() is None:
        sys.exit("neither kubectl nor kustomize is installed")
    RULE.write_text(prometheus_rule(), encoding="utf-8")
    for name, overlay in RENDERED.items():
        text = with_head(name, kustomize(K8S / "overlays" / overlay))
        (K8S / name).write_text(text, encoding="utf-8")


def kustomize_of(resource, components=(), lines=""):
    """The objects of an overlay made for the purpose."""
    with tempfile.TemporaryDirectory() as folder:
        # Roots may be anywhere, but are named relatively.
        relative = [os.path.relpath(K8S / path, os.path.realpath(folder)) for path in (resource, *components)]
        made = {"resources": relative[:1], "components": relative[1:]}
        text = yaml.safe_dump({key: value for key, value in made.items() if value}) + lines
        (pathlib.Path(folder) / "kustomization.yaml").write_text(text, encoding="utf-8")
        return objects(kustomize(folder))


def helm_template():
    """A function from values to the text of the chart's objects, or `None`."""
    chart = K8S / "chart"
    if helm := program("helm"):
        return lambda values, release: helm_by_program(helm, chart, values, release)
    try:
        from helm_python.chart import Chart
    except ImportError:
        return None
    loaded = Chart.load(chart)
    return lambda values, release: helm_by_package(loaded, values, release)


def helm_lint():
    """What Helm finds to criticise in the chart, as text."""
    chart = K8S / "chart"
    if helm := program("helm"):
        done = subprocess.run([helm, "lint", "--strict", str(chart)], capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stdout + done.stderr
    from helm_python.chart import lint

    found = lint(chart, strict=True)
    # 1 is advice: an icon is recommended.
    severe = [message["error"] for message in found["messages"] if message["severity"] > 1]
    return "; ".join(severe + found["errors"])


def helm_by_program(helm, chart, values, release):
    command = [helm, "template", release, str(chart), "--namespace", "orders", "--values", "-"]
    done = subprocess.run(command, input=yaml.safe_dump(values), capture_output=True, text=True)
    if done.returncode != 0:
        raise ValueError(done.stderr.strip())
    return done.stdout


def helm_by_package(chart, values, release):
    try:
        texts = chart.render(values=values, name=release, namespace="orders")
    except Exception as error:  # the package's own, which it doesn't export
        raise ValueError(str(error)) from error
    return "\n---\n".join(text for name, text in texts.items() if name.endswith(".yaml"))
