//! Medians and quantiles.

/// The value below which the fraction `q` (0 to 1) of `sorted` lies; nearest rank, no interpolation.
///
/// # Panics
/// If `sorted` is empty.
pub fn quantile<T: Copy>(sorted: &[T], q: f64) -> T {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// The lower quartile, the median and the upper quartile of values in any order; none may be NaN.
///
/// # Panics
/// If there are no values.
pub fn quartiles(values: impl IntoIterator<Item = f64>) -> [f64; 3] {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    [quantile(&sorted, 0.25), quantile(&sorted, 0.5), quantile(&sorted, 0.75)]
}

/// The median of values in any order; none may be NaN.
///
/// # Panics
/// If there are no values.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quartiles(values)[1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let sorted: Vec<u32> = (1..=100).collect();
        assert_eq!(quantile(&sorted, 0.5), 50);
        assert_eq!(quantile(&sorted, 0.99), 99);
        assert_eq!(quantile(&sorted, 1.0), 100);
        assert_eq!(quantile(&[7], 0.0), 7);
    }

    #[test]
    fn the_median_does_not_depend_on_the_order() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(quartiles([4.0, 3.0, 2.0, 1.0]), [1.0, 2.0, 3.0]);
    }
}
