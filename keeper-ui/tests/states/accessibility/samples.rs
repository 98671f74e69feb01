//! The checks find what is wrong, and do not find what isn't.

use super::{problems, unreadable};
use crate::style;

/// A wrong drawing for each rule, and a word of what is to be found.
const WRONG: &[(&str, &str)] = &[
    (r#"<button class="x"></button>"#, "no name"),
    (r#"<button><svg aria-hidden="true"></svg></button>"#, "no name"),
    ("<button><svg></svg></button>", "neither hidden nor named"),
    ("<input type=\"text\">", "no name"),
    (r#"<input type="text" placeholder="A name">"#, "no name"),
    (r#"<label for="b">A</label><input id="a">"#, "not there"),
    ("<select><option>one</option></select>", "no name"),
    (r#"<a href="/"></a>"#, "no name"),
    (r#"<img src="a.png">"#, "no alt"),
    (r#"<p id="a">1</p><p id="a">2</p>"#, "another's"),
    (r#"<p aria-describedby="gone">1</p>"#, "not there"),
    (r#"<button tabindex="3">a</button>"#, "before its turn"),
    (r#"<div tabindex="0">a</div>"#, "no role"),
    ("<h1>a</h1><h3>b</h3>", "skips a level"),
    ("<h2></h2>", "no name"),
    (r#"<div role="buton">a</div>"#, "cannot be"),
    (r#"<div aria-lable="a"></div>"#, "no aria-lable"),
    (r#"<button aria-expanded="yes">a</button>"#, "cannot be"),
    (
        r#"<button role="tab" aria-selected="true">a</button>"#,
        "not within tablist",
    ),
    (
        r#"<div role="tablist" aria-label="a"><button role="tab">b</button></div>"#,
        "aria-selected",
    ),
    (r#"<div role="progressbar"></div>"#, "no name"),
    (
        r#"<div role="progressbar" aria-label="a" aria-valuenow="NaN%"></div>"#,
        "cannot be",
    ),
    (
        r#"<div role="separator" tabindex="0" aria-label="a"></div>"#,
        "aria-valuenow",
    ),
    (r#"<dialog open><p>a</p></dialog>"#, "no name"),
    ("<button>a <button>b</button></button>", "inside of"),
    (
        r#"<div aria-hidden="true"><button>a</button></div>"#,
        "hidden from those who listen",
    ),
    ("<ul><div>a</div></ul>", "directly within"),
    ("<div><li>a</li></div>", "directly within"),
    (
        "<table><caption>a</caption><tbody><tr><td>1</td></tr></tbody><thead><tr><th>b</th></tr></thead></table>",
        "of what it is the heading",
    ),
    ("<table><tbody></tbody></table>", "no name"),
    (
        r#"<table><caption>a</caption><thead><tr><th scope="col"></th></tr></thead></table>"#,
        "without words",
    ),
    ("<p><div>a</div></p>", "directly within"),
    ("<p>a", "not well formed"),
];

/// Drawings in which nothing is wrong.
const RIGHT: &[&str] = &[
    r#"<button aria-label="Close"><svg aria-hidden="true"></svg></button>"#,
    r#"<button><svg role="img" aria-label="Close"></svg></button>"#,
    r#"<label>Name <input type="text"></label>"#,
    r#"<label for="a">A</label><select id="a"><option>one</option></select>"#,
    r#"<h2 id="t">A</h2><dialog open aria-labelledby="t"></dialog>"#,
    r#"<h1>a</h1><h2>b</h2><h3>c</h3><h2>d</h2>"#,
    r#"<img src="a.png" alt="">"#,
    r#"<label for="s">A</label><input id="s" type="checkbox" role="switch">"#,
    r#"<div role="separator"></div>"#,
];

#[test]
fn what_is_wrong_is_found() {
    for (html, word) in WRONG {
        let found = problems(html);
        assert!(
            found.iter().any(|problem| problem.contains(word)),
            "{html}\nshould be found {word:?}, was {found:#?}"
        );
    }
}

#[test]
fn what_is_right_is_left_alone() {
    for html in RIGHT {
        assert!(problems(html).is_empty(), "{html}\n{:#?}", problems(html));
    }
}

/// Two themes, an accent by kind, and parts whose contrasts are known.
const SHEET: &str = r#"
:root { --text-1: #000000; --surface-0: #ffffff; --pale: #767676; --paler: #777777; --blue: #0000ff; }
[data-theme="dark"] { --text-1: #ffffff; --surface-0: #000000; }
:root { --accent: var(--blue); }
[data-kind="image"] { --accent: var(--paler); }
.pale { color: var(--pale); }
.paler { color: var(--paler); }
.inside .paler { color: var(--text-1); }
.on { color: var(--accent); }
.veiled { opacity: 0.3; }
.turns { color: var(--text-1); }
.turns:hover { color: var(--surface-0); }
.gone { display: none; }
"#;

#[test]
fn pale_text_is_found_where_it_is_pale() {
    let rules = style::read(SHEET);
    let pale = |html: &str| !unreadable(html, "light", &rules).is_empty();
    assert!(!pale("<p>a</p>"));
    assert!(!pale(r#"<p class="pale">a</p>"#), "4.54 passes");
    assert!(pale(r#"<p class="paler">a</p>"#), "4.48 does not");
    assert!(
        !pale(r#"<div class="inside"><p class="paler">a</p></div>"#),
        "the more specific rule wins"
    );
    assert!(
        pale(r#"<div class="paler"><p>a</p></div>"#),
        "colours are inherited"
    );
    assert!(!pale(r#"<p class="on">a</p>"#));
    assert!(
        pale(r#"<div data-kind="image"><p class="on">a</p></div>"#),
        "an accent means what it means around"
    );
    assert!(
        pale(r#"<p class="veiled">a</p>"#),
        "what shines through makes it paler"
    );
    assert!(pale(r#"<p class="turns">a</p>"#), "also under the pointer");
    assert!(
        !pale(r#"<p class="paler gone">a</p>"#),
        "what does not show need not be read"
    );
    assert!(
        !pale(r#"<button disabled class="paler">a</button>"#),
        "what cannot be used is excused"
    );
}

#[test]
fn each_theme_is_looked_at_by_itself() {
    let rules = style::read(SHEET);
    let html = r#"<p class="on">a</p>"#;
    assert!(unreadable(html, "light", &rules).is_empty());
    assert!(
        !unreadable(html, "dark", &rules).is_empty(),
        "blue on black cannot be read"
    );
}
