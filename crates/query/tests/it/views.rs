//! Fields by the names of ECS, OCSF and the CIM, over events in a store.

use super::stored::Place;

const LINES: [&str; 4] = [
    "Nov 21 19:36:41 vm sshd[2998]: Failed password for alice from 10.1.2.3 port 49051 ssh2",
    "Nov 21 19:36:42 vm sshd[2999]: Accepted password for bob from 10.1.2.4 port 49052 ssh2",
    "Nov 21 19:36:43 vm sshd[3000]: Failed password for bob from 10.1.2.3 port 49053 ssh2",
    "Nov 21 19:36:44 vm CRON[4]: (root) CMD (true)",
];

fn place() -> Place {
    let place = Place::new();
    place.append("main", "syslog", 1_795_000_000, &LINES);
    let native = [
        r#"{"message":"refused","source":{"ip":"10.1.2.3"},"user":{"name":"carol"},"event":{"outcome":"failure"}}"#,
        r#"{"message":"asked","source":{"ip":"10.9.9.9"},"event":{"outcome":"unknown"}}"#,
    ];
    place.append("main", "json", 1_795_000_100, &native);
    place
}

#[tokio::test(flavor = "multi_thread")]
async fn other_names_find_what_ours_find_and_what_events_call_so() {
    let place = place();
    // In memory, and in a segment.
    for flushed in [false, true] {
        if flushed {
            place.store.flush().expect("it is flushed");
        }
        for (query, want) in [
            ("event.outcome=failure | stats count", r#"{"count":3}"#),
            ("source.ip=10.1.2.3 | stats count", r#"{"count":3}"#),
            ("source.ip=\"10.1.2.*\" NOT event.outcome=success | stats count", r#"{"count":3}"#),
            ("status_id=2 class_uid=3002 src_endpoint.ip=10.1.2.3 | stats count", r#"{"count":2}"#),
            ("src_ip=10.1.2.4 | stats values(user.name) AS who", r#"{"who":"bob"}"#),
            ("event.category=* | stats dc(user.name) AS users", r#"{"users":3}"#),
            ("* | where 'event.outcome'=\"unknown\" | stats count", r#"{"count":1}"#),
            (
                "event.outcome=failure | sort 1 user.name | fields user.name, src_port | table user.name src_port",
                r#"{"user.name":"alice","src_port":"49051"}"#,
            ),
            ("event.outcome=failure | head 1 | table user.name", r#"{"user.name":"carol"}"#),
        ] {
            assert_eq!(place.rows(query, None).await, [want], "{query}");
        }
        assert_eq!(
            place.rows("source.ip=* | stats count BY source.ip | sort source.ip", None).await,
            [r#"{"source.ip":"10.1.2.3","count":3}"#, r#"{"source.ip":"10.1.2.4","count":1}"#, r#"{"source.ip":"10.9.9.9","count":1}"#]
        );
        let view =
            "user.name=carol OR user.name=alice | view ecs | table host.name user.name source.ip source.port event.outcome event.category";
        assert_eq!(
            place.rows(view, None).await,
            [
                r#"{"host.name":"alpha","user.name":"carol","source.ip":"10.1.2.3","event.outcome":"failure"}"#,
                r#"{"host.name":"alpha","user.name":"alice","source.ip":"10.1.2.3","source.port":"49051","event.outcome":"failure","event.category":"authentication"}"#,
            ]
        );
        // The list of fields stays that of the events.
        let names = place.rows("sshd | fieldsummary | table field", None).await.join("");
        assert!(names.contains("\"user\"") && !names.contains("user.name"), "{names}");
    }
}
