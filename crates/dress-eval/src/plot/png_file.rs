//! A picture as PNG.

use super::drawing::Pixels;
use super::picture::Picture;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use std::io::Write;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Pixels of the file for one of the picture: for dense screens and for print.
const SCALE: f64 = 2.0;
/// Pixels of the file on a metre, so that programs show it at the size of the SVG: that has 96 on an inch.
const DENSITY: u32 = 7559;

impl Picture {
    /// The picture as PNG at twice its size, on white, with the same letters on any machine: what a program
    /// shows that has no SVG.
    pub fn png(&self) -> Vec<u8> {
        let Pixels { size: [width, height], rgb } = Pixels::of(self, SCALE);
        let mut file = SIGNATURE.to_vec();
        let [across, down] = [width, height].map(|pixels| (pixels as u32).to_be_bytes());
        // Eight bits of red, green and blue each, neither filtered nor interlaced.
        chunk(&mut file, b"IHDR", &[&across[..], &down, &[8, 2, 0, 0, 0]].concat());
        let density = DENSITY.to_be_bytes();
        chunk(&mut file, b"pHYs", &[&density[..], &density, &[1]].concat());
        chunk(&mut file, b"IDAT", &compressed(&rgb, 3 * width));
        chunk(&mut file, b"IEND", &[]);
        file
    }
}

fn chunk(file: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    let mut check = Crc::new();
    check.update(kind);
    check.update(data);
    file.extend((data.len() as u32).to_be_bytes());
    file.extend(kind);
    file.extend(data);
    file.extend(check.sum().to_be_bytes());
}

/// The rows, each behind the number of its filter.
fn compressed(rgb: &[u8], row: usize) -> Vec<u8> {
    let mut to = ZlibEncoder::new(Vec::new(), Compression::default());
    let written = rgb.chunks(row).try_for_each(|row| to.write_all(&[0]).and_then(|()| to.write_all(row)));
    written.and_then(|()| to.finish()).expect("memory takes what is written")
}

#[cfg(test)]
mod tests {
    use super::super::picture::{Anchor, Element};
    use super::super::{Mark, Panel, Place, Series, picture};
    use super::*;
    use std::io::Read;

    fn drawn() -> Picture {
        let series = ["dense", "flap"].map(|name| Series {
            name: name.into(),
            points: (0..60).map(|i| (f64::from(i), 3.0 - f64::from(i % 7) * 0.1)).collect(),
        });
        let marks = vec![Mark { label: "sliced after step 20".into(), place: Place::AtX(20.0) }];
        let [title, x_label, y_label] = ["SmolLM2: ± × −", "tokens seen", "loss, nats"].map(String::from);
        picture(&[Panel { title, x_label, y_label, series: series.into(), marks, ..Panel::default() }])
            .unwrap()
    }

    #[test]
    fn a_file_has_its_signature_and_its_pixels_at_twice_the_size() {
        let (picture, scale) = (drawn(), SCALE as usize);
        let file = picture.png();
        let mut rest = file.strip_prefix(SIGNATURE).unwrap();
        let mut chunks = Vec::new();
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
            chunks.push((&rest[4..8], &rest[8..8 + length]));
            rest = &rest[12 + length..];
        }
        let kinds: Vec<_> = chunks.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [b"IHDR", b"pHYs", b"IDAT", b"IEND"]);
        let side = |at: usize| u32::from_be_bytes(chunks[0].1[at..at + 4].try_into().unwrap()) as usize;
        let size = [picture.width as usize * scale, picture.height as usize * scale];
        assert_eq!([side(0), side(4)], size);
        // The check of an empty last chunk is the same in every PNG.
        assert!(file.ends_with(b"IEND\xae\x42\x60\x82"));
        let mut rows = Vec::new();
        flate2::read::ZlibDecoder::new(chunks[2].1).read_to_end(&mut rows).unwrap();
        let rgb: Vec<u8> = rows.chunks(3 * size[0] + 1).flat_map(|row| &row[1..]).copied().collect();
        assert!(rgb == Pixels::of(&picture, SCALE).rgb);
    }

    #[test]
    fn every_label_is_drawn_where_it_stands() {
        let picture = drawn();
        let is_text = |element: &Element| matches!(element, Element::Text { .. });
        let mut bare = picture.clone();
        bare.elements.retain(|element| !is_text(element));
        let [with, without] = [&picture, &bare].map(|picture| Pixels::of(picture, SCALE));
        let inked = |[left, right]: [f64; 2], [top, bottom]: [f64; 2]| {
            let [left, right, top, bottom] = [left, right, top, bottom].map(|at| (at * SCALE) as usize);
            let pixels = (top..bottom).flat_map(|row| (left..right).map(move |column| (row, column)));
            let at = |(row, column): (usize, usize)| 3 * (row * with.size[0] + column);
            pixels.map(at).filter(|&at| with.rgb[at..at + 3] != without.rgb[at..at + 3]).count()
        };
        let mut labels = 0;
        for element in &picture.elements {
            let Element::Text { size, at: (x, y), anchor, text, .. } = element else { continue };
            let width = size * super::super::letters::width(text);
            let left = match anchor {
                Anchor::Start => *x,
                Anchor::Middle => x - width / 2.0,
                Anchor::End => x - width,
            };
            labels += 1;
            let inked = inked([left, left + width], [y - size, y + size / 4.0]) as f64 / SCALE.powi(2);
            assert!(inked > 0.1 * width * size, "{text}: {inked}");
        }
        assert!(labels > 10);
        let far = [with.size[0] as f64 / SCALE - 20.0, with.size[0] as f64 / SCALE];
        assert_eq!(inked(far, [0.0, 40.0]), 0, "there is no label");
    }

    #[test]
    fn a_picture_is_of_the_colours_of_light_paper() {
        let pixels = Pixels::of(&drawn(), SCALE);
        let has = |color: [u8; 3]| pixels.rgb.chunks(3).any(|pixel| pixel == color);
        assert_eq!(pixels.rgb[..3], [255; 3]);
        assert!(has([0x25, 0x63, 0xeb]) && has([0x1d, 0x1d, 0x1b]) && has([0xe3, 0xe2, 0xde]));
        assert!(!has([0x6e, 0xa8, 0xfe]), "of dark paper");
    }
}
