//! `init`: writes a commented scenario to begin one's own with, and the schema that its first line names.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    exit_code::Exit,
    output::{failed, print, wrong},
    schema,
};
use crate::{
    result,
    scenario::{SCHEMA_FILE, starter},
};

/// Flags of `init`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file to write, as in chat.toml: the scenario is named after it.
    pub file: PathBuf,
    /// Write over a file that is there, and over an older schema beside it.
    #[arg(long)]
    pub force: bool,
}

/// `loadgen init`.
pub fn run(args: &Args) -> Result<Exit, Exit> {
    let Args { file, force } = args;
    let typed = typed(file);
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    write(file, &starter(&typed, &name), *force)?;
    let schema_file = file.with_file_name(SCHEMA_FILE);
    let schema = schema::text()?;
    let kept = fs::read_to_string(&schema_file);
    let mut said = format!("{}: a scenario to begin with\n", file.display());
    match kept {
        Ok(kept) if kept == schema => {}
        // Whoever wants the other one has a reason.
        Ok(_) if !force => {
            said += &format!(
                "{}: is there already and is another; --force brings it up to date\n",
                schema_file.display()
            )
        }
        _ => {
            write(&schema_file, &schema, *force)?;
            said += &format!("{}: its keys, for editors\n", schema_file.display());
        }
    }
    said += &format!("next: loadgen check {typed}, loadgen run {typed}\n");
    Ok(print(&said))
}

/// How the file is asked for: what looks like the name of a shipped scenario is no path yet.
fn typed(file: &Path) -> String {
    let path = file.display();
    match file.components().count() == 1 && file.extension().is_none_or(|ending| ending != "toml") {
        true => format!("./{path}"),
        false => path.to_string(),
    }
}

fn write(path: &Path, text: &str, force: bool) -> Result<(), Exit> {
    if !force && path.symlink_metadata().is_ok() {
        return Err(wrong(format!(
            "{} is there already: name another file, or write over it with --force",
            path.display()
        )));
    }
    result::write(path, text).map_err(failed)
}
