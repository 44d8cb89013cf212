//! Numbers for people: three digits and a unit that fits.

use std::time::Duration;

use crate::model::Nanos;

/// More digits than these no duration has that anybody chooses: a nanosecond of an hour.
const MOST_DIGITS: usize = 9;

/// Nanoseconds with the unit that fits: `312 µs`, `4.87 ms`, `1.20 s`.
pub fn duration(nanos: Nanos) -> String {
    let (size, unit) = unit(nanos);
    let number = nanos as f64 / size;
    format!("{number:.*} {unit}", digits(number, unit))
}

/// The same beside a bound, with so many digits more that it does not read as the bound where it is another number:
/// `4.997 ms` beside 5 ms.
pub fn duration_beside(nanos: Nanos, bound: Nanos) -> String {
    let (size, unit) = unit(nanos);
    let (number, bound) = (nanos as f64 / size, bound as f64 / size);
    let fewest = digits(number, unit);
    let differs = |digits: &usize| format!("{number:.digits$}") != format!("{bound:.digits$}");
    let digits = (fewest..=MOST_DIGITS).find(differs).unwrap_or(fewest);
    format!("{number:.digits$} {unit}")
}

/// The unit that fits, by its nanoseconds and its name.
fn unit(nanos: Nanos) -> (f64, &'static str) {
    match nanos {
        0..1_000 => (1.0, "ns"),
        // 999.5 µs and more would round up to "1000 µs".
        1_000..999_500 => (1e3, "µs"),
        999_500..999_500_000 => (1e6, "ms"),
        _ => (1e9, "s"),
    }
}

/// How many digits behind the point make three in all.
fn digits(number: f64, unit: &str) -> usize {
    match number {
        _ if unit == "ns" => 0,
        number if number < 9.995 => 2,
        number if number < 99.95 => 1,
        _ => 0,
    }
}

/// Nanoseconds that somebody chose, without the zeros: `5 ms`, not `5.00 ms`.
pub fn limit(nanos: Nanos) -> String {
    let text = duration(nanos);
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            let number = number.trim_end_matches('0').trim_end_matches('.');
            format!("{number} {unit}")
        }
        _ => text,
    }
}

/// The same with all of its digits: `2.125 ms`.
pub fn exactly(nanos: Nanos) -> String {
    let (size, unit) = match nanos {
        0..1_000 => (1.0, "ns"),
        1_000..1_000_000 => (1e3, "µs"),
        1_000_000..1_000_000_000 => (1e6, "ms"),
        _ => (1e9, "s"),
    };
    let number = format!("{:.MOST_DIGITS$}", nanos as f64 / size);
    let number = number.trim_end_matches('0').trim_end_matches('.');
    format!("{number} {unit}")
}

/// A fraction as a percentage that never rounds up to 100: `100 %`, `99.98 %`, `99.9996 %`. What is judged is recorded in
/// these words; readers are told [`percentage`].
pub fn share(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 100.0 {
        return "100 %".into();
    }
    for digits in 2..8 {
        let text = format!("{percent:.digits$}");
        if !text.starts_with("100") {
            return format!("{text} %");
        }
    }
    "< 100 %".into()
}

/// A fraction as a percentage that rounds some neither up to all nor down to none: `< 0.01 %`.
pub fn percentage(share: f64) -> String {
    match self::share(share) {
        none if none == "0.00 %" && share > 0.0 => "< 0.01 %".to_owned(),
        some => some,
    }
}

/// The same beside a bound, with so many digits more that it does not read as the bound where it is another number:
/// `98.996 %` beside 99 %.
pub fn share_beside(share: f64, bound: f64) -> String {
    let told = percentage(share);
    if told != percentage(bound) {
        return told;
    }
    let with = |share: f64, digits: usize| format!("{:.digits$} %", 100.0 * share);
    let differs = |digits: &usize| with(share, *digits) != with(bound, *digits);
    let digits = (2..=MOST_DIGITS).find(differs);
    digits.map_or(told, |digits| with(share, digits))
}

/// A count with its thousands apart: `12,345`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of something, by the word for one of it: `1 delivery`, `12,345 deliveries`.
pub fn counted(number: u64, one: &str) -> String {
    let plural = match one.strip_suffix('y') {
        _ if number == 1 => one.to_owned(),
        Some(stem) => format!("{stem}ies"),
        None => format!("{one}s"),
    };
    format!("{} {plural}", count(number))
}

/// The whole seconds, minutes and hours of a time that is to be waited for: `9 s`, `3 min 5 s`, `7 h 2 min`.
pub fn left(time: Duration) -> String {
    let seconds = time.as_secs_f64().ceil() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// Bytes with the binary unit that fits: `1.7 KiB`, `23.5 GiB`.
pub fn bytes(bytes: u64) -> String {
    let mut number = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if number < 1024.0 {
            let digits = usize::from(unit != "B" && number < 99.95);
            return format!("{number:.digits$} {unit}");
        }
        number /= 1024.0;
    }
    format!("{number:.1} TiB")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_have_three_digits_and_a_fitting_unit() {
        for (nanos, text) in [
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (312_400, "312 µs"),
            (999_499, "999 µs"),
            (999_500, "1.00 ms"),
            (4_870_000, "4.87 ms"),
            (99_960_000, "100 ms"),
            (250_000_000, "250 ms"),
            (1_200_000_000, "1.20 s"),
        ] {
            assert_eq!(duration(nanos), text);
        }
    }

    #[test]
    fn a_limit_has_no_more_digits_than_it_needs() {
        assert_eq!(limit(5_000_000), "5 ms");
        assert_eq!(limit(2_500_000), "2.5 ms");
        assert_eq!(limit(100_000_000), "100 ms");
    }

    #[test]
    fn a_share_below_one_never_reads_as_a_hundred_percent() {
        assert_eq!(share(1.0), "100 %");
        assert_eq!(share(0.9998), "99.98 %");
        assert_eq!(share(0.999_996), "99.9996 %");
        assert_eq!(share(0.0), "0.00 %");
    }

    #[test]
    fn a_number_reads_as_the_bound_beside_it_only_where_it_is_the_same() {
        let ms = |number: f64| (number * 1e6) as Nanos;
        for (nanos, text) in [
            (ms(5.0), "5.00 ms"),
            (ms(4.997), "4.997 ms"),
            (ms(5.001_215), "5.001 ms"),
            (4_999_999, "4.999999 ms"),
            (ms(4.87), "4.87 ms"),
            (312_400, "312 µs"),
        ] {
            assert_eq!(duration_beside(nanos, 5_000_000), text);
        }
        assert_eq!(duration_beside(999_600, 1_000_000), "0.9996 ms");
        assert_eq!(
            duration_beside(1_000_000_001, 1_000_000_000),
            "1.000000001 s"
        );
        for (share, text) in [
            (0.99, "99.00 %"),
            (0.989_96, "98.996 %"),
            (0.990_000_1, "99.00001 %"),
            (0.9998, "99.98 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(share_beside(share, 0.99), text);
        }
        assert_eq!(share_beside(0.0, 0.0), "0.00 %");
        assert_eq!(share_beside(0.999_996, 1.0), "99.9996 %");
    }

    proptest! {
        #[test]
        fn two_numbers_never_read_alike(bound in 1_u64..=3_600_000_000_000, by in 1_u64..=2_000_000) {
            for other in [bound + by, bound.saturating_sub(by)] {
                let told = duration_beside(other, bound);
                let (number, unit) = told.split_once(' ').unwrap();
                let size = match unit {
                    "ns" => 1.0,
                    "µs" => 1e3,
                    "ms" => 1e6,
                    _ => 1e9,
                };
                let number: f64 = number.parse().unwrap();
                // It lies on the side of the bound that it is of, as far as it was rounded.
                let is_over = number * size > bound as f64;
                let is_equal = (number * size - bound as f64).abs() < 0.5;
                prop_assert!(!is_equal, "{other} beside {bound}: {told}");
                prop_assert_eq!(is_over, other > bound, "{} beside {}: {}", other, bound, told);
            }
        }
    }

    #[test]
    fn a_limit_that_somebody_chose_has_all_of_its_digits() {
        for (nanos, text) in [
            (5_000_000, "5 ms"),
            (250_000_000, "250 ms"),
            (2_125_000, "2.125 ms"),
            (999_999, "999.999 µs"),
            (60_000_000_000, "60 s"),
            (0, "0 ns"),
        ] {
            assert_eq!(exactly(nanos), text);
        }
    }

    #[test]
    fn some_never_read_as_none() {
        assert_eq!(percentage(0.0), "0.00 %");
        assert_eq!(percentage(0.000_01), "< 0.01 %");
        assert_eq!(percentage(0.000_1), "0.01 %");
        assert_eq!(percentage(0.999_996), "99.9996 %");
        assert_eq!(percentage(1.0), "100 %");
    }

    #[test]
    fn bytes_have_a_fitting_unit() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(1_740), "1.7 KiB");
        assert_eq!(bytes(25_276_502_016), "23.5 GiB");
    }

    #[test]
    fn one_of_a_thing_is_no_plural() {
        assert_eq!(counted(1, "delivery"), "1 delivery");
        assert_eq!(counted(0, "delivery"), "0 deliveries");
        assert_eq!(counted(12_345, "second"), "12,345 seconds");
    }

    #[test]
    fn the_time_left_is_told_in_what_one_counts_in() {
        for (seconds, text) in [(8.2, "9 s"), (185.0, "3 min 5 s"), (25_320.0, "7 h 2 min")] {
            assert_eq!(left(Duration::from_secs_f64(seconds)), text);
        }
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(count(7), "7");
        assert_eq!(count(12_345), "12,345");
        assert_eq!(count(1_000_000), "1,000,000");
    }
}
