//! The commands in the sections of docs/runbook.md that alerts have.

use crate::harness::Service;

const RUNBOOK: &str = include_str!("../../docs/runbook.md");

/// The sections with commands, each of which is run while its alert is firing.
pub(crate) const SHOWN: [&str; 10] = [
    "OrdersNotReady",
    "OrdersDrainOverrun",
    "OrdersQueueNearFull",
    "OrdersRefusedByClientError",
    "OrdersFailing",
    "OrdersNoNextSegment",
    "OrdersDiskFullIn3Days",
    "OrdersConnectionsNearLimit",
    "OrdersDescriptors",
    "OrdersCertificateExpires",
];

/// The commands of an alert's section.
pub(crate) fn commands(alert: &str) -> String {
    let (_, section) = RUNBOOK.split_once(&format!("\n## {alert}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks = section.split("```sh\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap_or_default())
        .collect()
}

/// The commands of the section, run while its alert is firing, print this.
#[track_caller]
pub(crate) fn shows(alert: &str, service: &Service, expected: &str) {
    let alert = alert.split('/').next().unwrap_or_default();
    assert!(SHOWN.contains(&alert), "{alert}");
    let blocks = commands(alert);
    let commands = blocks
        .replace(
            "localhost:8080",
            &format!("localhost:{}", service.http.port()),
        )
        .replace(
            "localhost:9090",
            &format!("localhost:{}", service.admin.port()),
        )
        .replace(
            "sport = :8080",
            &format!("sport = :{}", service.http.port()),
        )
        .replace("PID", &service.pid().to_string());
    let output = Service::script("60", "-u", &format!("exec 2>&1\n{commands}"))
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains(expected), "{commands}\n{printed}");
}
