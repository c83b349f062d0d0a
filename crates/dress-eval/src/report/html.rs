//! A report as one page that needs no network and no script.

use super::escaped::html_text as escape;
use super::{Chart, HeatMap, Report, ReportTable, charts, heat_maps, tables};

/// Width of the pictures on a desk and on a phone, in CSS pixels.
const WIDTHS: [u32; 2] = [940, 340];

/// The page: tables, curves and heat maps, light or dark as the reader's system is, each picture drawn for
/// a desk and for a phone.
pub fn html(report: &Report, title: &str) -> String {
    let (tables, charts, heat_maps) = (tables(report), charts(report), heat_maps(report));
    let mut sections: Vec<(String, String, String)> = Vec::new();
    for table in &tables {
        sections.push((table.id.into(), table.title.clone(), table_html(table)));
    }
    let pictures: String = charts.iter().map(chart_html).collect();
    // Behind the numbers and before where they are from.
    let place = sections.iter().position(|(id, ..)| id == "origin" || id == "data").unwrap_or(sections.len());
    if !heat_maps.is_empty() {
        let maps: String = heat_maps.iter().map(heat_map_html).collect();
        let note = "<p>Every row has its own shades, from its least value to its greatest; hold the pointer over a cell \
                    for the value.</p>";
        sections.insert(place, ("scores".into(), "Scores".into(), format!("{note}{maps}")));
    }
    if !pictures.is_empty() {
        sections.insert(place, ("curves".into(), "Curves".into(), pictures));
    }
    let links: Vec<String> =
        sections.iter().map(|(id, title, _)| format!("<a href=\"#{id}\">{}</a>", escape(title))).collect();
    let body: Vec<String> = sections
        .iter()
        .map(|(id, title, body)| format!("<section id=\"{id}\"><h2>{}</h2>{body}</section>\n", escape(title)))
        .collect();
    let names: Vec<String> = report.models.iter().map(|model| model.name.clone()).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{title}</title>\
         <link rel=\"icon\" href=\"data:,\"><style>{style}</style></head>\n<body><main><h1>{title}</h1>\
         <p>{names}</p><nav>{links}</nav>\n{body}</main></body></html>\n",
        title = escape(title),
        style = include_str!("page.css"),
        names = escape(&names.join(" · ")),
        links = links.join(""),
        body = body.concat(),
    )
}

fn table_html(table: &ReportTable) -> String {
    let words: Vec<&str> = (0..table.header.len())
        .map(|column| if column == 0 || table.is_numeric(column) { "" } else { " class=\"words\"" })
        .collect();
    let head = table.header.iter().zip(&words);
    let head: Vec<String> =
        head.map(|(cell, class)| format!("<th scope=\"col\"{class}>{}</th>", escape(cell))).collect();
    let row = |(index, row): (usize, &Vec<String>)| {
        let cell = |(column, cell): (usize, &String)| match column {
            0 => format!("<th scope=\"row\" title=\"{0}\">{0}</th>", escape(cell)),
            _ if is_hash(cell) => format!("<td class=\"hash words\">{cell}</td>"),
            _ if table.best.contains(&(index, column)) => format!("<td class=\"best\">{}</td>", escape(cell)),
            _ => format!("<td{}>{}</td>", words.get(column).unwrap_or(&""), escape(cell)),
        };
        format!("<tr>{}</tr>", row.iter().enumerate().map(cell).collect::<String>())
    };
    format!(
        "<p>{}</p><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table id=\"table-{}\"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>",
        escape(&table.note),
        escape(&table.title),
        table.id,
        head.concat(),
        table.rows.iter().enumerate().map(row).collect::<String>()
    )
}

fn is_hash(cell: &str) -> bool {
    cell.len() >= 16 && cell.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn chart_html(chart: &Chart) -> String {
    let [wide, narrow] = [("wide", WIDTHS[0], 330), ("narrow", WIDTHS[1], 280)]
        .map(|(class, width, height)| chart.svg(class, width, height));
    let (id, title, legend) = (escape(&chart.id), escape(&chart.title), chart.legend());
    format!("<h3>{title}</h3><figure id=\"plot-{id}\">{wide}{narrow}{legend}</figure>")
}

fn heat_map_html(map: &HeatMap) -> String {
    let [wide, narrow] =
        [("wide", WIDTHS[0]), ("narrow", WIDTHS[1])].map(|(class, width)| map.svg(class, width));
    format!("<h3>{}</h3><figure id=\"plot-{}\">{wide}{narrow}</figure>", escape(&map.title), escape(&map.id))
}
