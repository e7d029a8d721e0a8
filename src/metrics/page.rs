//! The page of metrics, as OpenMetrics and in the older Prometheus text format.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::registry::Registry;

use super::collect::collect;
use super::families::Families;
use crate::server::Context;

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
