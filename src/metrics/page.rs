//! The page of metrics, in both forms of it, and how families of metrics are put on it.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, NoLabelSet,
    prometheus_text, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::collect::collect;
use crate::server::Context;
use jwtkeeper_core::types::Durations;

/// What a label holds, with its name.
pub(super) type Label<'a> = (&'static str, &'a str);

/// Writes the page.
pub(super) struct Pages(Registry);

impl Pages {
    pub(super) fn new(context: Arc<Context>) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(All(context)));
        Self(registry)
    }

    /// As OpenMetrics.
    pub(super) fn open_metrics(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.0)?;
        Ok(page)
    }

    /// In Prometheus's older form, for those who do not ask for the other.
    pub(super) fn prometheus_text(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        prometheus_text::encode(&mut page, &self.0)?;
        Ok(page)
    }
}

/// All that there is to tell, read from the context when it is asked for.
struct All(Arc<Context>);

impl fmt::Debug for All {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("All")
    }
}

impl Collector for All {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        collect(&self.0, &mut Families(encoder))
    }
}

/// Takes families, each a name with its help and its values. Names are whole but for `_total` and `_info`, which their
/// form adds.
pub(super) struct Families<'e>(DescriptorEncoder<'e>);

impl Families<'_> {
    fn family(&mut self, name: &'static str, help: &str, kind: MetricType) -> Result<MetricEncoder<'_>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }

    /// What goes up and down.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.family(name, help, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// What goes up and down, and may not be there.
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

    /// What only goes up.
    pub(super) fn counter(&mut self, name: &'static str, help: &str, value: impl EncodeCounterValue) -> fmt::Result {
        self.counter_if_any(name, help, Some(value))
    }

    /// What only goes up, and may not be there.
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

    /// What only goes up, of each of several. No two may have the same labels.
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

    /// How long each of several took.
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

    /// How long something took.
    pub(super) fn durations(&mut self, name: &'static str, help: &str, took: &Durations) -> fmt::Result {
        self.family(name, help, MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(took.seconds, took.count(), &took.buckets, None)
    }
}
