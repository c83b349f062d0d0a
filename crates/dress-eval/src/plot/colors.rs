//! The colours of pictures, light and dark.

use std::fmt::Write;

/// A colour as it is on light paper and on dark paper, red above green above blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Color {
    light: u32,
    dark: u32,
}

pub(super) const PAPER: Color = Color { light: 0xffffff, dark: 0x1f1f1d };
/// Of titles and names.
pub(super) const INK: Color = Color { light: 0x1d1d1b, dark: 0xf0efec };
/// Of all other texts, of axes and marks.
pub(super) const SOFT: Color = Color { light: 0x5c5c58, dark: 0xaeada6 };
/// Of the lines behind the curves.
pub(super) const RULE: Color = Color { light: 0xe3e2de, dark: 0x3a3936 };
/// How many colours of curves there are.
pub(super) const COLORS: usize = CURVES.len();
/// Of curves, each number's own.
pub(super) const CURVES: [Color; 10] = [
    Color { light: 0x2563eb, dark: 0x6ea8fe },
    Color { light: 0xdc2626, dark: 0xf87171 },
    Color { light: 0x059669, dark: 0x34d399 },
    Color { light: 0xb45309, dark: 0xfbbf24 },
    Color { light: 0x7c3aed, dark: 0xb79bf7 },
    Color { light: 0xdb2777, dark: 0xf472b6 },
    Color { light: 0x0e7490, dark: 0x67c9dc },
    Color { light: 0x4d7c0f, dark: 0xa3e635 },
    Color { light: 0x78350f, dark: 0xd6a07c },
    Color { light: 0x4b5563, dark: 0xa3a8b3 },
];

impl Color {
    /// Red, green and blue on light paper.
    pub fn on_light_paper(self) -> [u8; 3] {
        let [_, red, green, blue] = self.light.to_be_bytes();
        [red, green, blue]
    }
}

/// What the elements of an SVG are drawn with, beside the colours.
const RULES: &str = "text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:var(--soft)}\
.paper{fill:var(--paper)}.title{font-size:15px;font-weight:600;fill:var(--ink)}\
.name{fill:var(--ink);paint-order:stroke;stroke:var(--paper);stroke-width:3px}\
.grid{stroke:var(--rule)}.axis{stroke:var(--soft)}.mark{stroke:var(--soft);stroke-dasharray:5 4}\
.line{fill:none;stroke-width:2;stroke-linejoin:round}.dot{stroke:var(--paper);stroke-width:1}\
.line,.bar{stroke:var(--c)}.dot,.cut{fill:var(--c)}";

/// The style sheet of an SVG, which stands alone or in a page and so brings its own: light or dark as the
/// reader's system is.
pub(super) fn style_sheet() -> String {
    let (light, dark) = (variables(|color| color.light), variables(|color| color.dark));
    format!("{light}{RULES}@media(prefers-color-scheme:dark){{{dark}}}")
}

fn variables(of: impl Fn(Color) -> u32) -> String {
    let [paper, ink, soft, rule] = [PAPER, INK, SOFT, RULE].map(&of);
    let mut text =
        format!("svg{{--paper:#{paper:06x};--ink:#{ink:06x};--soft:#{soft:06x};--rule:#{rule:06x}}}");
    for (index, color) in CURVES.into_iter().enumerate() {
        let _ = write!(text, ".k{index}{{--c:#{:06x}}}", of(color));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_has_the_colours_of_light_before_those_of_dark() {
        let sheet = style_sheet();
        let (light, dark) = sheet.split_once("@media(prefers-color-scheme:dark)").unwrap();
        assert!(light.contains("--paper:#ffffff") && light.contains(".k9{--c:#4b5563}"), "{light}");
        assert!(dark.contains("--paper:#1f1f1d") && dark.ends_with(".k9{--c:#a3a8b3}}"), "{dark}");
        assert_eq!(CURVES[0].on_light_paper(), [0x25, 0x63, 0xeb]);
    }
}
