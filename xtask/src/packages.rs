//! What the system must have, by distribution, and what for.

use std::fmt;

use anyhow::{Context, Result, bail};

use crate::sh::{Cmd, has_program, in_ci};

/// Something the system must have.
#[derive(Debug)]
struct Need {
    /// Why, for the person who is asked to install it.
    why: &'static str,
    /// How to tell that it is there.
    probe: Probe,
    /// Debian and Ubuntu; `a|b` where releases name it differently: the first that this release has.
    apt: &'static [&'static str],
    /// Fedora; a path stands for whatever package holds it.
    dnf: &'static [&'static str],
    /// Arch.
    pacman: &'static [&'static str],
}

/// How to tell that something is there, whichever package brought it.
#[derive(Debug)]
enum Probe {
    /// A program of this name can be started.
    Program(&'static str),
    /// A program of one of these names can be started.
    AnyProgram(&'static [&'static str]),
    /// pkg-config knows this library.
    Library(&'static str),
    /// fontconfig finds a font with emojis; where there is one, there are letters too.
    Fonts,
}

impl Probe {
    fn found(&self) -> bool {
        match self {
            Self::Program(name) => has_program(name),
            Self::AnyProgram(names) => names.iter().any(|name| has_program(name)),
            Self::Library(name) => Cmd::new("pkg-config").args(["--exists", name]).ask().is_some(),
            Self::Fonts => Cmd::new("fc-list").ask().is_some_and(|list| list.to_lowercase().contains("emoji")),
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(name) | Self::Library(name) => formatter.write_str(name),
            Self::AnyProgram(names) => formatter.write_str(&names.join(" or ")),
            Self::Fonts => formatter.write_str("fonts"),
        }
    }
}

/// What something is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// Building and running the window.
    Window,
    /// Building and running the headless node only.
    Node,
    /// Measuring beside references.
    Bench,
    /// Everything that `cargo xtask test` does, beyond the window.
    Tests,
}

const NODE: &[Need] = &[
    Need {
        why: "a C compiler: SQLite and the cryptography are built from source",
        probe: Probe::Program("cc"),
        apt: &["build-essential"],
        dnf: &["gcc", "gcc-c++", "make"],
        pacman: &["base-devel"],
    },
    Need {
        why: "tells the build where the system's libraries are",
        probe: Probe::Program("pkg-config"),
        apt: &["pkg-config"],
        dnf: &["pkgconf-pkg-config"],
        pacman: &["pkgconf"],
    },
];

const WINDOW: &[Need] = &[
    Need {
        why: "the web view that draws the window",
        probe: Probe::Library("webkit2gtk-4.1"),
        apt: &["libwebkit2gtk-4.1-dev"],
        dnf: &["webkit2gtk4.1-devel"],
        pacman: &["webkit2gtk-4.1"],
    },
    Need {
        why: "D-Bus, over which a second start finds the first",
        probe: Probe::Library("dbus-1"),
        apt: &["libdbus-1-dev"],
        dnf: &["dbus-devel"],
        pacman: &["dbus"],
    },
];

const DISPLAY: Need = Need {
    why: "a display without a screen",
    probe: Probe::Program("Xvfb"),
    apt: &["xvfb"],
    dnf: &["xorg-x11-server-Xvfb"],
    pacman: &["xorg-server-xvfb"],
};

const CHROMIUM: Need = Need {
    why: "the interface in a second browser, for accessibility checks and to measure it",
    probe: Probe::AnyProgram(&["chromium", "chromium-browser", "google-chrome"]),
    apt: &["chromium|chromium-browser"],
    dnf: &["chromium"],
    pacman: &["chromium"],
};

const TESTS: &[Need] = &[
    Need {
        why: "drives the real window in tests",
        probe: Probe::Program("WebKitWebDriver"),
        // Renamed with WebKitGTK 2.52.
        apt: &["webkitgtk-webdriver|webkit2gtk-driver"],
        dnf: &["/usr/bin/WebKitWebDriver"],
        pacman: &["webkitgtk-6.0"],
    },
    DISPLAY,
    Need {
        why: "a private message bus for each test",
        probe: Probe::Program("dbus-daemon"),
        apt: &["dbus-daemon|dbus"],
        dnf: &["dbus-daemon"],
        pacman: &["dbus"],
    },
    Need {
        why: "clicks and keys like a person's",
        probe: Probe::Program("xdotool"),
        apt: &["xdotool"],
        dnf: &["xdotool"],
        pacman: &["xdotool"],
    },
    Need {
        why: "windows that are closed as by their frames",
        probe: Probe::Program("wmctrl"),
        apt: &["wmctrl"],
        dnf: &["wmctrl"],
        pacman: &["wmctrl"],
    },
    Need {
        why: "a real notification daemon",
        probe: Probe::Program("dunst"),
        apt: &["dunst"],
        dnf: &["dunst"],
        pacman: &["dunst"],
    },
    Need {
        why: "a window manager: windows get the focus and can be closed",
        probe: Probe::Program("openbox"),
        apt: &["openbox"],
        dnf: &["openbox"],
        pacman: &["openbox"],
    },
    Need {
        why: "pictures of the screen",
        probe: Probe::Program("maim"),
        apt: &["maim"],
        dnf: &["maim"],
        pacman: &["maim"],
    },
    CHROMIUM,
    Need {
        why: "networks of their own for whole programs",
        probe: Probe::Program("ip"),
        apt: &["iproute2"],
        dnf: &["iproute"],
        pacman: &["iproute2"],
    },
    Need {
        why: "firewalls and lossy cables in those networks",
        probe: Probe::Program("nft"),
        apt: &["nftables"],
        dnf: &["nftables"],
        pacman: &["nftables"],
    },
    Need {
        why: "what several nodes of a relay share",
        probe: Probe::Program("nats-server"),
        apt: &["nats-server"],
        dnf: &["/usr/bin/nats-server"],
        pacman: &["nats-server"],
    },
    Need {
        why: "makes and enters those networks",
        probe: Probe::Program("unshare"),
        apt: &["util-linux"],
        dnf: &["util-linux"],
        pacman: &["util-linux"],
    },
    Need {
        why: "letters and emojis to draw on screenshots",
        probe: Probe::Fonts,
        apt: &["fontconfig", "fonts-dejavu-core", "fonts-noto-color-emoji"],
        dnf: &["fontconfig", "dejavu-sans-fonts", "google-noto-color-emoji-fonts"],
        pacman: &["fontconfig", "ttf-dejavu", "noto-fonts-emoji"],
    },
    Need {
        why: "resources for Windows, to type-check for it",
        probe: Probe::Program("x86_64-w64-mingw32-windres"),
        apt: &["gcc-mingw-w64-x86-64-win32"],
        dnf: &["mingw64-gcc"],
        pacman: &["mingw-w64-gcc"],
    },
];

const BENCH: &[Need] = &[
    DISPLAY,
    CHROMIUM,
    Need {
        why: "sends a file by TLS, to compare with",
        probe: Probe::Program("nginx"),
        apt: &["nginx-light"],
        dnf: &["nginx"],
        pacman: &["nginx"],
    },
    Need { why: "receives it", probe: Probe::Program("curl"), apt: &["curl"], dnf: &["curl"], pacman: &["curl"] },
    Need {
        why: "makes the certificate for it",
        probe: Probe::Program("openssl"),
        apt: &["openssl"],
        dnf: &["openssl"],
        pacman: &["openssl"],
    },
    Need {
        why: "passes messages on by MQTT, to compare the relay with",
        probe: Probe::Program("mosquitto"),
        apt: &["mosquitto"],
        dnf: &["mosquitto"],
        pacman: &["mosquitto"],
    },
    Need {
        why: "passes messages on and keeps them by XMPP, to compare the relay with",
        probe: Probe::Program("prosodyctl"),
        apt: &["prosody"],
        dnf: &["prosody"],
        pacman: &["prosody"],
    },
];

fn needs(purpose: For) -> Vec<&'static Need> {
    match purpose {
        For::Node => NODE.iter().collect(),
        For::Window => NODE.iter().chain(WINDOW).collect(),
        For::Bench => NODE.iter().chain(WINDOW).chain(BENCH).collect(),
        For::Tests => NODE.iter().chain(WINDOW).chain(TESTS).collect(),
    }
}

/// A Linux distribution's way to install.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Installer {
    Apt,
    Dnf,
    Pacman,
}

impl Installer {
    fn detect() -> Option<Self> {
        [(Self::Apt, "apt-get"), (Self::Dnf, "dnf"), (Self::Pacman, "pacman")]
            .into_iter()
            .find_map(|(installer, program)| has_program(program).then_some(installer))
    }

    /// The packages of one need.
    fn packages(self, need: &Need) -> Vec<String> {
        let names = match self {
            Self::Apt => need.apt,
            Self::Dnf => need.dnf,
            Self::Pacman => need.pacman,
        };
        names.iter().map(|name| first_known(name)).collect()
    }

    fn refresh(self) -> Option<Cmd> {
        match self {
            Self::Apt => Some(as_root(["apt-get", "update", "-q"])),
            // dnf refreshes by itself; pacman must not refresh without upgrading everything (partial upgrade).
            Self::Dnf | Self::Pacman => None,
        }
    }

    fn install(self, packages: &[String]) -> Cmd {
        let fixed: &[&str] = match self {
            Self::Apt => &[
                "apt-get",
                "install",
                "-q",
                "-y",
                "--no-install-recommends",
                "-o",
                "DPkg::Lock::Timeout=300",
                "-o",
                "Dpkg::Use-Pty=0",
            ],
            Self::Dnf => &["dnf", "install", "-y"],
            Self::Pacman => &["pacman", "-S", "--needed", "--noconfirm"],
        };
        as_root(fixed.iter().copied().chain(packages.iter().map(String::as_str)))
    }
}

/// The first of `a|b` that apt has, else the last.
fn first_known(alternatives: &str) -> String {
    let mut names = alternatives.split('|');
    let last = names.next_back().unwrap_or(alternatives);
    names.find(|name| apt_knows(name)).unwrap_or(last).to_owned()
}

fn apt_knows(package: &str) -> bool {
    Cmd::new("apt-cache").args(["show", "--no-all-versions", package]).ask().is_some_and(|text| !text.trim().is_empty())
}

/// A command with an administrator's rights: directly when this is root, else by sudo, which may ask for the password
/// except in CI.
fn as_root<'a>(words: impl IntoIterator<Item = &'a str>) -> Cmd {
    let root = Cmd::new("id").args(["-u"]).ask().is_some_and(|id| id.trim() == "0");
    let words = words.into_iter().map(str::to_owned);
    let quiet_installer = ["DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=l"].map(str::to_owned);
    if root {
        Cmd::new("env").args(quiet_installer.into_iter().chain(words))
    } else {
        let ask = if in_ci() { &["-n", "env"][..] } else { &["env"][..] };
        Cmd::new("sudo").args(ask.iter().map(|word| (*word).to_owned()).chain(quiet_installer).chain(words))
    }
}

/// Says what is missing and why, and installs it. Does nothing when all is there.
///
/// # Errors
/// When something is missing that cannot be installed from here: an unknown distribution, or the installer failed.
pub(crate) fn ensure(purpose: For) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return elsewhere(purpose);
    }
    // What is looked for by pkg-config cannot be found before pkg-config is there.
    let missing: Vec<_> = needs(purpose).into_iter().filter(|need| !need.probe.found()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let Some(installer) = Installer::detect() else {
        println!("This system lacks:");
        for need in &missing {
            println!("  {:<28} {}", need.probe, need.why);
        }
        bail!("no apt-get, dnf or pacman here: install the above by this system's own means, then run this again");
    };
    if installer == Installer::Apt && missing.iter().any(|need| need.apt.iter().any(|name| name.contains('|'))) {
        // Which of the names this release uses only its package lists can tell.
        refresh(installer)?;
    }
    println!("This system lacks, and gets now:");
    let mut packages = Vec::new();
    for need in &missing {
        let names = installer.packages(need);
        println!("  {:<36} {}", names.join(" "), need.why);
        packages.extend(names);
    }
    if installer.install(&packages).check().is_err() {
        // Old or absent package lists are the usual cause.
        refresh(installer)?;
        installer.install(&packages).check().context("the packages could not be installed")?;
    }
    let still: Vec<_> = missing.iter().filter(|need| !need.probe.found()).map(|need| need.probe.to_string()).collect();
    if !still.is_empty() {
        bail!("still missing after installing: {}", still.join(", "));
    }
    Ok(())
}

fn refresh(installer: Installer) -> Result<()> {
    match installer.refresh() {
        Some(command) => command.check().map(drop).context("the package lists could not be fetched"),
        None => Ok(()),
    }
}

/// macOS and Windows: says what a person has to install, and checks for what can be checked.
fn elsewhere(purpose: For) -> Result<()> {
    if cfg!(target_os = "macos") && Cmd::new("xcode-select").args(["-p"]).ask().is_none() {
        bail!("Landline needs Apple's compiler. Install it with `xcode-select --install`, then run this again.");
    }
    if cfg!(windows) && !has_program("cl") && !has_program("gcc") {
        println!(
            "Landline needs \"Desktop development with C++\" of the Visual Studio Build Tools \
             (https://visualstudio.microsoft.com/downloads/), and on Windows 10 the WebView2 runtime \
             (https://developer.microsoft.com/microsoft-edge/webview2/); Windows 11 has it. \
             If the build cannot find a compiler, that is why."
        );
    }
    if purpose == For::Tests {
        println!("Tests with real windows and networks run on Linux only; here they count as skipped.");
    }
    Ok(())
}

/// Whether everything for this purpose is there.
pub(crate) fn complete(purpose: For) -> bool {
    needs(purpose).iter().all(|need| need.probe.found())
}

/// How many things are looked for, for the count of a stage.
pub(crate) fn count(purpose: For) -> usize {
    needs(purpose).len()
}
