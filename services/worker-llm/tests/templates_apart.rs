//! Templates in helper processes: they say the same, and whatever they do, it ends soon and the worker goes on.

#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::civil::DateTime;
use llm_worker_rbee::fidelity::{self, Selection};
use llm_worker_rbee::text::template::TemplateOrigin;
use llm_worker_rbee::text::template::apart::Renderers;
use llm_worker_rbee::text::{ChatMessage, ChatTemplate, PromptInput, TemplateError};
use rbee_testkit::models::fixture;

/// A second of computing, on machines that do other things, too.
const LIMIT: Duration = Duration::from_secs(6);

fn install() {
    Renderers::install(Path::new(env!("CARGO_BIN_EXE_llm-worker-rbee-cpu")));
}

fn compile(source: &str) -> Result<ChatTemplate, TemplateError> {
    ChatTemplate::from_source(source, TemplateOrigin::Request, "<s>".into(), "</s>".into())
}

fn render(template: &ChatTemplate) -> Result<String, TemplateError> {
    let now = DateTime::constant(2025, 3, 14, 15, 9, 26, 0);
    template.render(&PromptInput::new(&[ChatMessage::new("user", "hi")], now))
}

/// Memory that this process holds, in kilobytes; none where the system does not tell.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or_default()
}

#[test]
fn they_say_what_they_say_here() {
    install();
    for filter in ["chat", "tokens"] {
        let selection = Selection {
            filter: Some(filter.to_owned()),
            ..Selection::default()
        };
        let report = fidelity::run(&fixture("llm"), &selection).unwrap();
        let failures: Vec<_> = report.failures().collect();
        assert!(failures.is_empty(), "{failures:#?}");
        assert!(report.passed(), "nothing was compared");
    }
}

#[test]
fn hostile_templates_end_and_the_worker_goes_on() {
    install();
    let good = compile("{{ messages[0].content }} {{ bos_token }}").unwrap();
    assert_eq!(render(&good).unwrap(), "hi <s>");
    let nest = |inner: &str| {
        format!(
            "{{% set ns = namespace(a=[1], b=[1], d={{'k': 1}}) %}}{{% for i in range(60) %}}\
             {{% set ns.a = [ns.a, ns.a] %}}{{% set ns.b = [ns.b, ns.b] %}}\
             {{% set ns.d = {{'k': ns.d, 'l': ns.d}} %}}{{% endfor %}}{inner}"
        )
    };
    let hostile = [
        "{{ [0] * 10 ** 18 ~ '' }}".to_owned(),
        "{{ ([0] * 10 ** 12) == ([0] * 10 ** 12) }}".to_owned(),
        "{{ [0] * 10 ** 15 | string | length }}".to_owned(),
        "{{ ([0] * 10 ** 15) | sort | length }}".to_owned(),
        "{{ ([0] * 10 ** 15) | sum }}".to_owned(),
        "{{ 7 in ([0] * 10 ** 15) }}".to_owned(),
        // While it is compiled.
        "{{ [[[[0] * 1000] * 1000] * 1000] * 1000 == [[[[0] * 1000] * 1000] * 1000] * 1000 }}".to_owned(),
        "{{ [[[[0] * 1000] * 1000] * 1000] * 1000 ~ '' }}".to_owned(),
        nest("{{ ns.a ~ '' }}"),
        nest("{{ ns.a == ns.b }}"),
        nest("{{ ns.a < ns.b }}"),
        nest("{{ ns.a in [ns.b] }}"),
        nest("{{ ns.d ~ '' }}"),
        nest("{{ ns.d == {'k': ns.d} }}"),
        nest("{{ [ns.a, ns.b] | unique | list | length }}"),
        nest("{{ [ns.a, ns.b] | sort | length }}"),
        nest("{{ ns.a | upper }}"),
        nest("{{ ns.a | trim }}"),
        nest("{{ ns.a | replace('1', '2') }}"),
        nest("{{ ns.a | tojson }}"),
        nest("{{ {ns.a: 1} }}"),
        "{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}".to_owned(),
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}".to_owned(),
        "{% set ns = namespace(a='x') %}{% for i in range(60) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}"
            .to_owned(),
    ];
    let before = resident();
    for source in hostile {
        let began = Instant::now();
        let given = compile(&source).and_then(|template| render(&template));
        let took = began.elapsed();
        let words = given.map_or_else(|error| error.to_string(), |text| format!("{} bytes", text.len()));
        println!(
            "{took:?}: {words}: {}",
            &source[source.len().saturating_sub(60)..]
        );
        assert!(took < LIMIT, "{source} took {took:?}");
        assert_eq!(render(&good).unwrap(), "hi <s>", "after {source}");
    }
    let grown = resident().saturating_sub(before) / 1024;
    assert!(grown < 32, "{grown} MiB more are held than before");
}

#[test]
fn errors_are_told_as_they_are_here() {
    install();
    let broken = compile("{{ 1 +").unwrap_err();
    assert!(
        matches!(broken, TemplateError::Broken { line: Some(1), .. }),
        "{broken:?}"
    );
    let refused = render(&compile("{{ raise_exception('no system') }}").unwrap()).unwrap_err();
    assert!(
        matches!(&refused, TemplateError::Refused { message, .. } if message == "no system"),
        "{refused:?}"
    );
    let output = "{% for i in range(100) %}{{ 'x' * 1000000 }}{% endfor %}";
    let output = render(&compile(output).unwrap()).unwrap_err();
    assert!(
        matches!(
            output,
            TemplateError::TooMuchOutput { .. } | TemplateError::TooMuchWork { .. }
        ),
        "{output:?}"
    );
    assert!(compile("{{ tools }}").unwrap().reads_tools());
    assert!(!compile("{{ messages }}").unwrap().reads_tools());
}

#[test]
fn many_at_once_get_their_own_and_it_costs_little() {
    install();
    let template = compile("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}").unwrap();
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let template = &template;
            scope.spawn(move || {
                let now = DateTime::constant(2025, 3, 14, 15, 9, 26, 0);
                for round in 0..20 {
                    let said = format!("{thread} {round}");
                    let messages = [ChatMessage::new("user", said.as_str())];
                    let text = template.render(&PromptInput::new(&messages, now)).unwrap();
                    assert_eq!(text, format!("user: {said}\n"));
                }
            });
        }
    });
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            let began = Instant::now();
            render(&template).unwrap();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("{:?} in the middle, {:?} at most", times[100], times[199]);
    // A tenth of that on a machine that does nothing else.
    assert!(times[100] < Duration::from_millis(5), "{:?}", times[100]);
}
