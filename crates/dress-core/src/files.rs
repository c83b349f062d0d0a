//! Files that end, and files that are complete or not there.
//!
//! Pipes, devices and sockets are refused before they are opened to read, since whoever opens one waits
//! without a word for somebody to write to it. What is written gets its name when all of it is on the disk.

use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Opens a file.
///
/// # Errors
/// As [`File::open`], and those of [`check`].
pub fn open(path: &Path) -> io::Result<File> {
    check(path)?;
    File::open(path)
}

/// The bytes of a file.
///
/// # Errors
/// As [`std::fs::read`], and those of [`check`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    check(path)?;
    fs::read(path)
}

/// The text of a file.
///
/// # Errors
/// As [`std::fs::read_to_string`], and those of [`check`].
pub fn read_to_string(path: &Path) -> io::Result<String> {
    check(path)?;
    fs::read_to_string(path)
}

/// SHA-256 of a file's bytes in hexadecimal, of which a small piece at a time is in memory.
///
/// # Errors
/// Those of [`open`] and of reading.
pub fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut piece) = (open(path)?, Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            read => hash.update(&piece[..read]),
        }
    }
}

/// Checks that what is at `path`, if anything, is no pipe, device or socket.
///
/// # Errors
/// One of the kind [`ErrorKind::InvalidInput`] that says what it is and what to do.
pub fn check(path: &Path) -> io::Result<()> {
    // What cannot be looked at is said by whoever opens it.
    let Some(what) = fs::metadata(path).ok().and_then(|found| special(found.file_type())) else {
        return Ok(());
    };
    let cure = "copy what it gives into a file and give that; a corpus can also be piped to standard input, given as -";
    Err(io::Error::new(ErrorKind::InvalidInput, format!("it is {what} and no file; {cure}")))
}

/// Gives a complete file the name under which it is looked for. Its bytes are on the disk before the name
/// points to them, so that the place has either what was there or all of the new file, whenever the machine
/// stops.
///
/// # Errors
/// Those of [`File::sync_all`] and [`fs::rename`]; `partial` is left.
pub fn put_in_place(file: &File, partial: &Path, place: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(partial, place)
}

/// The name of an unfinished file beside its place, with a number that no other process has, on this machine
/// or on another that shares the storage.
pub fn partial_beside(place: &Path) -> PathBuf {
    let number = u64::from(machine()) * PROCESSES + u64::from(std::process::id());
    place.with_file_name(format!(".{}.partial-{number}", name(place)))
}

/// The process of this machine that has a number that [`partial_beside`] gave; nothing where it is another
/// machine's.
///
/// # Examples
/// ```
/// let partial = dress_core::files::partial_beside("table.json".as_ref());
/// let number = partial.to_str().and_then(|name| name.rsplit_once('-')).and_then(|(_, number)| number.parse().ok());
/// assert_eq!(number.and_then(dress_core::files::process_of), Some(std::process::id()));
/// ```
pub fn process_of(number: u64) -> Option<u32> {
    let (of_machine, process) = (number / PROCESSES, number % PROCESSES);
    // Numbers were the processes' alone once.
    let is_ours = of_machine == 0 || of_machine == u64::from(machine());
    is_ours.then(|| u32::try_from(process).ok()).flatten()
}

/// More than a process's number on any system.
const PROCESSES: u64 = 10_000_000_000;

/// A number for the machine, by its name.
fn machine() -> u16 {
    static MACHINE: OnceLock<u16> = OnceLock::new();
    *MACHINE.get_or_init(|| {
        let name = fs::read("/proc/sys/kernel/hostname").unwrap_or_default();
        let hash = Sha256::digest(name);
        u16::from_le_bytes([hash[0], hash[1]]).max(1)
    })
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A complete file that could not be put in its place.
#[derive(Debug)]
pub struct NotPlaced {
    /// Where it is.
    pub kept: PathBuf,
    /// What the system says.
    pub cause: io::Error,
}

/// Gives a complete file its place, which was looked at before the work. Without `replace` a file that has
/// appeared there since stays, and the complete one is kept beside it under a name that people see.
///
/// # Errors
/// [`NotPlaced`].
pub fn place(partial: &Path, place: &Path, replace: bool) -> Result<(), NotPlaced> {
    let placed = match replace && !place.is_dir() {
        true => fs::rename(partial, place),
        false => put_where_nothing_is(partial, place),
    };
    placed.map_err(|cause| NotPlaced { kept: kept(partial, place), cause })
}

fn put_where_nothing_is(partial: &Path, path: &Path) -> io::Result<()> {
    // A second name for the file, unlike a rename, is never given over another file.
    match fs::hard_link(partial, path) {
        Ok(()) => fs::remove_file(partial),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
        // There are file systems without such names.
        Err(_) if !path.exists() => fs::rename(partial, path),
        Err(error) => Err(error),
    }
}

/// Gives a result without a place a name that people see; says which.
fn kept(partial: &Path, path: &Path) -> PathBuf {
    let mut names = (1..1000).map(|number| path.with_file_name(format!("{}.kept-{number}", name(path))));
    let kept = names.find(|kept| put_where_nothing_is(partial, kept).is_ok());
    kept.unwrap_or_else(|| partial.into())
}

/// Writes a file beside its place, under a name with the process's number, with its bytes on the disk.
///
/// # Errors
/// Those of creating, writing and syncing; nothing is left behind.
pub fn write_partial(place: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let partial = partial_beside(place);
    let written =
        File::create(&partial).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map(|()| partial.clone()).inspect_err(|_| {
        let _ = fs::remove_file(&partial);
    })
}

/// Writes a file beside its place and renames it when complete, over whatever is there.
///
/// # Errors
/// Those of [`write_partial`] and [`fs::rename`]; nothing is left behind.
///
/// # Examples
/// ```
/// let place = std::env::temp_dir().join(format!("dress-example-{}.json", std::process::id()));
/// dress_core::files::write_whole(&place, b"{}")?;
/// assert_eq!(dress_core::files::read_to_string(&place)?, "{}");
/// std::fs::remove_file(&place)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_whole(place: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = write_partial(place, bytes)?;
    fs::rename(&partial, place).inspect_err(|_| {
        let _ = fs::remove_file(&partial);
    })
}

/// Gives a complete directory the name under which it is looked for, with all that is in it on the disk
/// before. What was at the place is then at `replaced`, for the caller to remove; says whether something was.
///
/// # Errors
/// Those of reading, syncing and renaming; `partial` is left, and what was at the place is there again.
///
/// # Examples
/// ```
/// let directory = std::env::temp_dir().join(format!("dress-example-{}", std::process::id()));
/// let [partial, place, replaced] = ["partial", "place", "replaced"].map(|name| directory.join(name));
/// std::fs::create_dir_all(&partial)?;
/// std::fs::write(partial.join("config.json"), "{}")?;
/// assert!(!dress_core::files::place_directory(&partial, &place, &replaced)?, "nothing was there");
/// assert!(place.join("config.json").exists() && !partial.exists());
/// std::fs::remove_dir_all(&directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn place_directory(partial: &Path, place: &Path, replaced: &Path) -> io::Result<bool> {
    sync_directory(partial)?;
    let replaces = place.exists();
    if replaces {
        fs::rename(place, replaced)?;
    }
    let moved = fs::rename(partial, place);
    if moved.is_err() && replaces {
        fs::rename(replaced, place)?;
    }
    moved.map(|()| replaces)
}

/// Waits until every file of a directory, and of those inside it, is on the disk.
fn sync_directory(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => sync_directory(&entry.path())?,
            false => File::open(entry.path())?.sync_all()?,
        }
    }
    // The files' names. There are systems on which a directory cannot be opened or synced.
    let _ = File::open(directory).and_then(|names| names.sync_all());
    Ok(())
}

#[cfg(unix)]
fn special(found: fs::FileType) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    match () {
        () if found.is_fifo() => Some("a pipe"),
        () if found.is_socket() => Some("a socket"),
        () if found.is_char_device() || found.is_block_device() => Some("a device"),
        () => None,
    }
}

#[cfg(not(unix))]
fn special(_found: fs::FileType) -> Option<&'static str> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn pipes_sockets_and_devices_are_refused_and_files_are_read() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let made = std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        assert!(made.success());
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        std::os::unix::fs::symlink(at("pipe"), at("link")).unwrap();
        for (path, what) in [
            (at("pipe"), "a pipe"),
            (at("link"), "a pipe"),
            (at("socket"), "a socket"),
            ("/dev/zero".into(), "a device"),
        ] {
            let said =
                [open(&path).unwrap_err(), read(&path).unwrap_err(), read_to_string(&path).unwrap_err()];
            for said in said.map(|said| said.to_string()) {
                assert!(said.contains(what) && said.contains("into a file"), "{said}");
            }
        }
        fs::write(at("file"), "text").unwrap();
        assert_eq!(read_to_string(&at("file")).unwrap(), "text");
        assert_eq!(read(&at("nothing")).unwrap_err().kind(), ErrorKind::NotFound);
        assert!(open(place.path()).is_ok());
    }

    #[test]
    fn the_hash_of_a_file_is_that_of_all_its_bytes() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        fs::write(&path, "abc").unwrap();
        // The first example of FIPS 180-2.
        let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&path).unwrap(), of_abc);
        let long = vec![7u8; (3 << 20) + 5];
        fs::write(&path, &long).unwrap();
        let hash: String = Sha256::digest(&long).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(sha256(&path).unwrap(), hash);
    }

    #[test]
    fn a_directory_is_placed_whole_and_what_was_there_is_not_lost() {
        let directory = tempfile::tempdir().unwrap();
        let [partial, place, replaced] =
            ["partial", "place", "replaced"].map(|name| directory.path().join(name));
        let write = |text: &str| {
            fs::create_dir_all(partial.join("inside")).unwrap();
            fs::write(partial.join("inside/file"), text).unwrap();
        };
        write("first");
        assert!(!place_directory(&partial, &place, &replaced).unwrap());
        write("second");
        assert!(place_directory(&partial, &place, &replaced).unwrap());
        assert_eq!(read(&place.join("inside/file")).unwrap(), b"second");
        assert_eq!(read(&replaced.join("inside/file")).unwrap(), b"first");
        assert!(place_directory(&partial, &place, &replaced).is_err(), "there is nothing to be placed");
        write("third");
        assert!(
            place_directory(&partial, &place, &replaced).is_err(),
            "something is where the second would go"
        );
        assert_eq!(read(&place.join("inside/file")).unwrap(), b"second");
        assert_eq!(read(&partial.join("inside/file")).unwrap(), b"third");
    }

    #[test]
    fn a_file_is_whole_or_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("table.json");
        write_whole(&place, b"first").unwrap();
        write_whole(&place, b"second").unwrap();
        assert_eq!(read(&place).unwrap(), b"second");
        let folder = directory.path().join("folder");
        fs::create_dir_all(folder.join("inside")).unwrap();
        assert!(write_whole(&folder, b"third").is_err());
        assert!(write_whole(&directory.path().join("none/table.json"), b"fourth").is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing partial is left");
    }
}
