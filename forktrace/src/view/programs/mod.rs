//! The catalogue of programs, as `explain --programs` prints it.

pub(super) mod json;
pub(super) mod markdown;
pub(super) mod text;

use crate::program::{Afterwards, Told, Wish};

/// How often it asks, in a cell of a table.
fn attempts(wish: &Wish) -> String {
    let times = wish.attempts.map(|times| times.to_string());
    let parts: Vec<String> = times.into_iter().chain(wish.pauses.clone()).collect();
    parts.join(", ")
}

/// What it takes to heal, in a word or two.
fn heals(wish: &Wish) -> &'static str {
    match wish.afterwards {
        Some(Afterwards::Waits) => "by itself: it goes on asking",
        Some(Afterwards::Next) => "by itself: the next time",
        Some(Afterwards::Ends) => "has ended: start it",
        Some(Afterwards::Reload) => "reload it",
        Some(Afterwards::Restart) => "restart it",
        Some(Afterwards::ByHand) => "start by hand what was refused",
        None => "",
    }
}

fn told(told: Told) -> &'static str {
    match told {
        Told::True => "true",
        Told::Wrong => "not always",
        Told::Misleading => "misleads",
        Told::Hidden => "not told",
    }
}
