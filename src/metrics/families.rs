//! Families of metrics, as they are written to the page.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;

use jwtkeeper_core::types::Durations;

/// The name and the value of a label.
pub(super) type Label<'a> = (&'static str, &'a str);

/// Writes families of metrics, each a name with its help and its values. Names are complete but for `_total` and
/// `_info`, which the encoder adds.
pub(super) struct Families<'e>(pub(super) DescriptorEncoder<'e>);

impl Families<'_> {
    fn family(&mut self, name: &'static str, help: &str, kind: MetricType) -> Result<MetricEncoder<'_>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }

    /// Writes a gauge.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.family(name, help, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// Writes a gauge that may be missing.
    pub(super) fn gauge_if_any(
        &mut self,
        name: &'static str,
        help: &str,
        value: Option<impl EncodeGaugeValue>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Gauge)?;
        value.map_or(Ok(()), |value| family.encode_gauge(&value))
    }

    /// The same of each of several. No two may have the same labels.
    pub(super) fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        name: &'static str,
        help: &str,
        values: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Gauge)?;
        let mut values = values.into_iter();
        values.try_for_each(|(labels, value)| family.encode_family(&labels)?.encode_gauge(&value))
    }

    /// Writes a counter.
    pub(super) fn counter(&mut self, name: &'static str, help: &str, value: impl EncodeCounterValue) -> fmt::Result {
        self.counter_if_any(name, help, Some(value))
    }

    /// Writes a counter that may be missing.
    pub(super) fn counter_if_any(
        &mut self,
        name: &'static str,
        help: &str,
        value: Option<impl EncodeCounterValue>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Counter)?;
        value.map_or(Ok(()), |value| {
            family.encode_counter::<NoLabelSet, _, f64>(&value, None)
        })
    }

    /// Words.
    pub(super) fn info(&mut self, name: &'static str, help: &str, labels: &[Label<'_>]) -> fmt::Result {
        self.family(name, help, MetricType::Info)?.encode_info(&labels)
    }

    /// Writes a counter for each of several label sets. No two may be the same.
    pub(super) fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &'static str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Counter)?;
        let mut values = values.into_iter();
        values.try_for_each(|(labels, value)| {
            family
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, f64>(&value, None)
        })
    }

    /// Records several durations.
    pub(super) fn durations_of<L: EncodeLabelSet>(
        &mut self,
        name: &'static str,
        help: &str,
        values: impl IntoIterator<Item = (L, Durations)>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Histogram)?;
        let mut values = values.into_iter();
        values.try_for_each(|(labels, took)| {
            let mut family = family.encode_family(&labels)?;
            family.encode_histogram::<NoLabelSet>(took.seconds, took.count(), &took.buckets, None)
        })
    }

    /// Records a duration.
    pub(super) fn durations(&mut self, name: &'static str, help: &str, took: &Durations) -> fmt::Result {
        self.family(name, help, MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(took.seconds, took.count(), &took.buckets, None)
    }
}
