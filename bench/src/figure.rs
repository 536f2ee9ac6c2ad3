//! What a measurement gives: medians with their spread, a ratio to the reference, and whether the goal is reached.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

/// One value a round.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// One more round.
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The value at this share of the sorted values: 0.5 is the median.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        quantile(&self.0, share)
    }

    /// The median.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Smallest and largest.
    fn spread(&self) -> (f64, f64) {
        (self.quantile(0.0), self.quantile(1.0))
    }
}

/// The value at this share of the sorted values, between two neighbours by proportion.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "there are never 2^52 samples")]
    let place = share.clamp(0.0, 1.0) * sorted.len().saturating_sub(1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the number of samples")]
    let (below, part) = (place.floor() as usize, place.fract());
    match (sorted.get(below), sorted.get(below + 1)) {
        (Some(low), Some(high)) => low + (high - low) * part,
        (Some(low), None) => *low,
        _ => f64::NAN,
    }
}

/// What to reach, as the project's performance goals say it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Goal {
    /// At most so many times the reference.
    RatioAtMost(f64),
    /// At least so many times the reference.
    RatioAtLeast(f64),
    /// At most so much more than the reference.
    ReferencePlus(f64),
    /// At most this value itself.
    AtMost(f64),
    /// At least this value itself.
    AtLeast(f64),
    /// Nothing was set; the figure is for comparison.
    None,
}

/// A reference's values beside ours.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Reference {
    /// What it is.
    pub(crate) name: &'static str,
    /// Its values.
    pub(crate) samples: Samples,
}

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) name: String,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// Our values.
    pub(crate) samples: Samples,
    /// What stands beside them.
    pub(crate) reference: Option<Reference>,
    /// What to reach.
    pub(crate) goal: Goal,
}

impl Figure {
    /// Our median over the reference's.
    fn ratio(&self) -> Option<f64> {
        self.reference.as_ref().map(|reference| self.samples.median() / reference.samples.median())
    }

    /// Whether the goal is reached, where there is one.
    fn reached(&self) -> Option<bool> {
        match self.goal {
            Goal::RatioAtMost(most) => self.ratio().map(|ratio| ratio <= most),
            Goal::RatioAtLeast(least) => self.ratio().map(|ratio| ratio >= least),
            Goal::ReferencePlus(more) => {
                self.reference.as_ref().map(|it| self.samples.median() <= it.samples.median() + more)
            }
            Goal::AtMost(most) => Some(self.samples.median() <= most),
            Goal::AtLeast(least) => Some(self.samples.median() >= least),
            Goal::None => None,
        }
    }

    fn goal_text(&self) -> String {
        match self.goal {
            Goal::RatioAtMost(most) => format!("≤ {most} ×"),
            Goal::RatioAtLeast(least) => format!("≥ {least} ×"),
            Goal::ReferencePlus(more) => format!("≤ + {}", number(more)),
            Goal::AtMost(most) => format!("≤ {}", number(most)),
            Goal::AtLeast(least) => format!("≥ {}", number(least)),
            Goal::None => String::new(),
        }
    }
}

/// How cost grows with size: the slope of a straight line through the logarithms. 0 is constant, 1 is proportional.
pub(crate) fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<_> = points.iter().map(|(size, cost)| (size.ln(), cost.ln())).collect();
    #[expect(clippy::cast_precision_loss, reason = "a handful of points")]
    let count = logs.len() as f64;
    let mean_x = logs.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = logs.iter().map(|(_, y)| y).sum::<f64>() / count;
    let covariance: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    covariance / variance
}

/// How something grows, for the table and the JSON.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Growth {
    /// What grows with what.
    pub(crate) name: String,
    /// Size and median cost.
    pub(crate) points: Vec<(f64, f64)>,
    /// The slope.
    pub(crate) exponent: f64,
}

impl Growth {
    /// From sizes and costs.
    pub(crate) fn of(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), exponent: exponent(&points), points }
    }
}

/// What a group gives.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Report {
    /// Figures.
    pub(crate) figures: Vec<Figure>,
    /// How costs grow.
    pub(crate) growth: Vec<Growth>,
    /// What could not be measured, and why.
    pub(crate) notes: Vec<String>,
}

/// A number with as many digits as it means.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

/// The table of a group, as a person reads it.
pub(crate) fn table(group: &str, report: &Report) -> String {
    let mut text = format!(
        "\n{:<46} {:>22} {:>30} {:>7} {:>9}\n",
        group, "Landline (min–max)", "reference (min–max)", "ratio", "goal",
    );
    let with_spread = |samples: &Samples| {
        let (least, most) = samples.spread();
        format!("{} ({}–{})", number(samples.median()), number(least), number(most))
    };
    for figure in &report.figures {
        let reference =
            figure.reference.as_ref().map(|it| format!("{} {}", it.name, with_spread(&it.samples))).unwrap_or_default();
        let ratio = figure.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let mark = match figure.reached() {
            Some(true) => "✓",
            Some(false) => "✗",
            None => " ",
        };
        let _ = writeln!(
            text,
            "{:<46} {:>22} {:>30} {:>7} {:>9} {mark}",
            format!("{}, {}", figure.name, figure.unit),
            with_spread(&figure.samples),
            reference,
            ratio,
            figure.goal_text(),
        );
    }
    for growth in &report.growth {
        let points: Vec<_> = growth.points.iter().map(|(size, cost)| format!("{size}: {}", number(*cost))).collect();
        let _ = writeln!(text, "{} grows by exponent {:.2} ({})", growth.name, growth.exponent, points.join(", "));
    }
    for note in &report.notes {
        let _ = writeln!(text, "{note}");
    }
    text
}

/// Writes `GROUP.json`.
pub(crate) fn save(group: &str, report: &Report, machine: &serde_json::Value, dir: &Path) -> Result<()> {
    let document = json!({ "group": group, "machine": machine, "report": report });
    fs::write(dir.join(format!("{group}.json")), serde_json::to_string_pretty(&document)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert!((quantile(&values, 0.5) - 2.5).abs() < 1e-9);
        assert!((quantile(&values, 0.0) - 1.0).abs() < 1e-9);
        assert!((quantile(&values, 1.0) - 4.0).abs() < 1e-9);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn exponents_tell_how_costs_grow() {
        let sizes = [10.0, 100.0, 1000.0];
        assert!((exponent(&sizes.map(|size| (size, 3.0 * size))) - 1.0).abs() < 1e-9, "proportional");
        assert!(exponent(&sizes.map(|size| (size, 7.0))).abs() < 1e-9, "constant");
        assert!((exponent(&sizes.map(|size| (size, size * size))) - 2.0).abs() < 1e-9, "quadratic");
    }
}
