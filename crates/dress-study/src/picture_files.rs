//! A picture as files.

use crate::{Error, write_beside};
use dress_eval::plot::Picture;
use std::path::Path;

/// Writes a picture into `directory` as `NAME.svg`, and beside it as `NAME.png` for programs that show no
/// SVG.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn write_picture(directory: &Path, name: &str, picture: &Picture) -> Result<(), Error> {
    write_beside(&directory.join(format!("{name}.svg")), picture.svg().as_bytes())?;
    write_beside(&directory.join(format!("{name}.png")), &picture.png())
}
