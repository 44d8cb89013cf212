//! Checks of what is said: sizes that a body can have, and lines that fit into one.

use super::Checker;
use crate::{
    model::{BodyText, body},
    scenario::{
        Located, Messages, Range, Size, Sizes,
        file::{FileMessages, Text},
        written::{self, LogNormalSizes, Placed, WeightedSize},
    },
};

const DEFAULT_SIZE: Range<Size> = Range::fixed(Size(120));

impl Checker<'_> {
    pub(super) fn messages(&mut self, file: FileMessages) -> Result<Messages, Located> {
        if let Some(lines) = file.file {
            let conflict = [
                ("size", file.size.map(|size| size.span)),
                ("text", file.text.map(|text| text.span)),
            ]
            .into_iter()
            .find_map(|(key, span)| Some((key, span?)));
            if let Some((key, span)) = conflict {
                return Err(self.wrong(
                    &span,
                    format!("bodies are the lines of `file`: leave `{key}` out, or `file`"),
                ));
            }
            return Ok(Messages {
                size: Sizes::Range(DEFAULT_SIZE),
                text: BodyText::Lines(self.lines(&lines)?.into()),
            });
        }
        Ok(Messages {
            size: match file.size {
                None => Sizes::Range(DEFAULT_SIZE),
                Some(size) => self.sizes(size)?,
            },
            text: match file.text.map(|text| text.value) {
                None | Some(Text::Mixed) => BodyText::Mixed,
                Some(Text::Ascii) => BodyText::Ascii,
            },
        })
    }

    fn sizes(&self, sizes: Placed<written::Sizes>) -> Result<Sizes, Located> {
        match sizes.value {
            written::Sizes::Range(value) => {
                let range = Placed {
                    value,
                    span: sizes.span,
                };
                self.range(&range).map(Sizes::Range)
            }
            written::Sizes::LogNormal(LogNormalSizes { median, p99 }) => {
                for size in [&median, &p99] {
                    let (value, span) = (Range::fixed(size.value), size.span.clone());
                    self.range(&Placed { value, span })?;
                }
                let less = format!("the p99 is not less than the median, {}", median.value);
                self.demand(p99.value >= median.value, &p99.span, less)?;
                Ok(Sizes::LogNormal {
                    median: median.value,
                    p99: p99.value,
                })
            }
            written::Sizes::Weighted(weighted) if weighted.is_empty() => {
                Err(self.wrong(&sizes.span, "at least one size"))
            }
            written::Sizes::Weighted(weighted) => self.weighted(weighted).map(Sizes::Weighted),
        }
    }

    fn weighted(&self, sizes: Vec<WeightedSize>) -> Result<Vec<(Range<Size>, f64)>, Located> {
        let mut sum = 0.0;
        let sizes = sizes.into_iter().map(|WeightedSize { size, weight }| {
            let weighs = weight.value.is_finite() && weight.value > 0.0;
            self.demand(weighs, &weight.span, "a weight is more than 0")?;
            sum += weight.value;
            let endless = "with this one the weights have no sum: write smaller ones, as only their proportions count";
            self.demand(f64::is_finite(sum), &weight.span, endless)?;
            Ok((self.range(&size)?, weight.value))
        });
        sizes.collect()
    }

    fn range(&self, size: &Placed<Range<Size>>) -> Result<Range<Size>, Located> {
        let (least, most) = (body::LEAST_BYTES, body::MOST_BYTES);
        if (size.value.low.0 as usize) < least || size.value.high.0 as usize > most {
            return Err(self.wrong(
                &size.span,
                format!(
                    "a body has {least}B to {most}B: its first {least} bytes say which message it is"
                ),
            ));
        }
        Ok(size.value)
    }

    fn lines(&mut self, file: &Placed<String>) -> Result<Vec<String>, Located> {
        let data = self.data_file(file)?;
        let most = body::MOST_BYTES - body::LEAST_BYTES;
        let lines = data
            .lines()
            .map(|(span, line)| {
                if line.len() > most {
                    return Err(data.wrong(
                        span.start..span.start,
                        format!(
                            "line {} has {} bytes; at most {most} fit into a body beside its mark",
                            data.wrong(span.clone(), "").line,
                            line.len()
                        ),
                    ));
                }
                Ok(line.to_owned())
            })
            .collect::<Result<Vec<_>, _>>()?;
        if lines.is_empty() {
            return Err(self.wrong(&file.span, "the file has no line that says anything"));
        }
        Ok(lines)
    }
}
