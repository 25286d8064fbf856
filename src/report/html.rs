//! One self-contained HTML page with a table.

use std::fmt::Write;

/// Text with what HTML would read as markup replaced.
#[must_use]
pub fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
        out
    })
}

/// A page with a heading and a table; every text is escaped.
#[must_use]
pub fn page(title: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    let title = escape(title);
    let mut body = String::new();
    for name in head {
        let _ = write!(body, "<th>{}</th>", escape(name));
    }
    for row in rows {
        body.push_str("</tr>\n<tr>");
        for cell in row {
            let _ = write!(body, "<td>{}</td>", escape(cell));
        }
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\n\
         <style>body{{font-family:sans-serif}}table{{border-collapse:collapse}}\
         td,th{{border:1px solid #ccc;padding:2px 8px;text-align:right}}</style>\n\
         <h1>{title}</h1>\n<table><tr>{body}</tr></table>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_cell_is_text() {
        let page = page("t", &["a"], &[vec!["<b>&\"".into()]]);
        assert!(page.contains("<td>&lt;b&gt;&amp;&quot;</td>"));
        assert!(page.contains("<tr><th>a</th></tr>\n<tr>"));
    }
}
