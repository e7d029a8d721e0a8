//! The journal's layer of the log. `journalctl` and `systemctl status` show MESSAGE alone, so that it holds the whole
//! line: the sentence and, behind it, the fields as the text form writes them. They stay fields beside it.

use tracing::field::{Field, Value, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The field that is the sentence.
const SENTENCE: &str = "message";
/// Fields of one event at the most.
const FIELDS: usize = 32;

/// Hands events on to the journal, each with its whole line as the sentence.
pub(super) struct Journal(pub(super) tracing_journald::Layer);

impl<S> Layer<S> for Journal
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.0.on_new_span(attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.0.on_record(id, values, context);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = String::new();
        let formatted = DefaultFields::new().format_fields(Writer::new(&mut line), event);
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Some((first, _)) = fields.0.first().filter(|_| formatted.is_ok()) else {
            return self.0.on_event(event, context); // one that says nothing
        };
        let none: (&Field, Option<&dyn Value>) = (first, None);
        let mut values = [none; FIELDS];
        for (place, (field, text)) in values.iter_mut().zip(&fields.0) {
            let text = if field.name() == SENTENCE { &line } else { text };
            *place = (field, Some(text));
        }
        let metadata = event.metadata();
        let values = metadata.fields().value_set(&values);
        self.0.on_event(&Event::new(metadata, &values), context);
    }
}

/// The fields of an event.
#[derive(Default)]
struct Fields(Vec<(Field, String)>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.clone(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push((field.clone(), format!("{value:?}")));
    }
}
