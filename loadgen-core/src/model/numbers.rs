//! Numbers for people: three digits and a unit that fits.

use std::time::Duration;

use crate::model::Nanos;

/// Nanoseconds with the unit that fits: `312 µs`, `4.87 ms`, `1.20 s`.
pub fn duration(nanos: Nanos) -> String {
    let (number, unit) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        // 999.5 µs and more would round up to "1000 µs".
        1_000..999_500 => (nanos as f64 / 1e3, "µs"),
        999_500..999_500_000 => (nanos as f64 / 1e6, "ms"),
        _ => (nanos as f64 / 1e9, "s"),
    };
    let digits = match number {
        number if number < 9.995 => 2,
        number if number < 99.95 => 1,
        _ => 0,
    };
    format!("{number:.digits$} {unit}")
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

/// A fraction as a percentage that never rounds up to 100: `100 %`, `99.98 %`, `99.9996 %`.
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
