//! Numbers, escapes, and the names of each format.

use std::time::Duration;

use crate::metrics::text::{Family, Format, Kind, Text, push_decimal, push_seconds};

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).expect("only text is written")
}

#[test]
fn decimals_are_as_short_as_they_can_be() {
    for (value, decimals, text) in [
        (0, 6, "0"),
        (1, 6, "0.000001"),
        (1_500_000, 6, "1.5"),
        (2_000_000, 6, "2"),
        (10_203_040, 6, "10.20304"),
        (42, 0, "42"),
        (u64::MAX, 9, "18446744073.709551615"),
    ] {
        assert_eq!(written(|out| push_decimal(out, value, decimals)), text);
    }
    assert_eq!(
        written(|out| push_seconds(out, Duration::from_nanos(1_000_000_050))),
        "1.00000005"
    );
}

#[test]
fn label_values_are_escaped() {
    let family = Family {
        name: "x",
        kind: Kind::Gauge,
        help: "X.",
    };
    let line = written(|out| {
        Text::new(out, Format::Classic).sample(&family, &[("a", "q\"b\\n\nü"), ("b", "")], 1);
    });
    assert_eq!(line, "x{a=\"q\\\"b\\\\n\\nü\",b=\"\"} 1\n");
}

#[test]
fn each_format_has_its_own_names() {
    let both = |name, kind| {
        [Format::Classic, Format::OpenMetrics].map(|format| {
            let family = Family {
                name,
                kind,
                help: "H.",
            };
            written(|out| {
                let mut text = Text::new(out, format);
                text.family(&family);
                text.sample(&family, &[], 7);
                text.finish();
            })
        })
    };
    assert_eq!(
        both("c", Kind::Counter),
        [
            "# HELP c H.\n# TYPE c counter\nc 7\n",
            "# HELP c H.\n# TYPE c counter\nc_total 7\n# EOF\n"
        ]
    );
    assert_eq!(
        both("c_seconds", Kind::CounterTotal),
        [
            "# HELP c_seconds_total H.\n# TYPE c_seconds_total counter\nc_seconds_total 7\n",
            "# HELP c_seconds H.\n# TYPE c_seconds counter\n# UNIT c_seconds seconds\n\
             c_seconds_total 7\n# EOF\n",
        ]
    );
    assert_eq!(
        both("b", Kind::Info),
        [
            "# HELP b_info H.\n# TYPE b_info gauge\nb_info 7\n",
            "# HELP b H.\n# TYPE b info\nb_info 7\n# EOF\n",
        ]
    );
}
