//! Where fields are in the patterns of a segment: decided once for all segments whose slots hold the same, broadly; and where
//! that takes samples, once for all whose values pass.

use super::NumberTest;
use super::filter::SegmentScan;
use super::select::Selection;
use super::term::PreparedTerm;
use crate::segment::meta::PatternMeta;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use taffrail_base::{Result, Stop};
use taffrail_pattern::{FieldPlan, Guard, Guarded, Held, Pattern, PatternId, Piece};

/// Where fields are in the patterns met so far, for all segments of a scan.
#[derive(Default)]
pub struct Plans {
    known: Mutex<FxHashMap<PatternId, Vec<KnownPlan>>>,
    pub(super) signs: Mutex<FxHashMap<String, Arc<PreparedTerm>>>,
    /// Ends the scan.
    pub stop: Stop,
}

struct KnownPlan {
    pattern: Arc<Pattern>,
    sourcetype: Arc<str>,
    field: String,
    held: Vec<Held>,
    plan: Guarded,
    /// Whether it was decided with samples.
    sampled: bool,
}

/// What a plan is asked for.
struct Asked<'a> {
    meta: &'a PatternMeta,
    sourcetype: &'a Arc<str>,
    held: Vec<Held>,
    field: &'a str,
}

impl KnownPlan {
    fn is(&self, of: &Asked<'_>, sampled: bool) -> bool {
        let of_pattern = self.sourcetype == *of.sourcetype && self.pattern == of.meta.pattern;
        of_pattern && self.field == of.field && self.sampled == sampled && self.held == of.held
    }

    fn new(of: &Asked<'_>, plan: Guarded, sampled: bool) -> Self {
        let (pattern, sourcetype, field) = (of.meta.pattern.clone(), of.sourcetype.clone(), of.field.to_owned());
        Self { pattern, sourcetype, field, held: of.held.clone(), plan, sampled }
    }
}

impl Plans {
    fn plan(&self, of: &Asked<'_>, resolve: impl FnOnce(&Asked<'_>) -> FieldPlan) -> FieldPlan {
        // Held while it is decided, so that it is decided once.
        let mut known = self.known.lock();
        let plans = known.entry(of.meta.id).or_default();
        if let Some(known) = plans.iter().find(|known| known.is(of, false)) {
            return known.plan.plan.clone();
        }
        let plan = resolve(of);
        plans.push(KnownPlan::new(of, Guarded { plan: plan.clone(), guards: [].into() }, false));
        plan
    }

    fn guarded(&self, of: &Asked<'_>) -> Option<Guarded> {
        let known = self.known.lock();
        known.get(&of.meta.id).and_then(|plans| plans.iter().find(|known| known.is(of, true))).map(|known| known.plan.clone())
    }

    /// Keeps one plan with samples, the newest: guards hold memory, and there are as many samples as segments.
    fn remember(&self, of: &Asked<'_>, plan: Guarded) {
        let mut known = self.known.lock();
        let plans = known.entry(of.meta.id).or_default();
        match plans.iter_mut().find(|known| known.is(of, true)) {
            Some(known) => known.plan = plan,
            None => plans.push(KnownPlan::new(of, plan, true)),
        }
    }
}

/// Events of a pattern in a segment from which on a plan that asks each of them is looked at again, with a sample.
const SAMPLED: u32 = if cfg!(test) { 2 } else { 64 };

impl SegmentScan<'_> {
    /// What the slots of a pattern hold here, in the terms in which most segments agree.
    pub fn held(meta: &PatternMeta) -> Vec<Held> {
        let kinds = meta.pattern.pieces().iter().filter_map(|piece| if let Piece::Slot(kind) = piece { Some(*kind) } else { None });
        let columns = meta.columns.iter().map(|column| Held { mask: column.mask, len_max: column.max_len, sample: None });
        kinds.zip(columns).map(|(kind, held)| held.broad(kind)).collect()
    }

    /// The same with the values of the first event.
    fn sampled(&self, pattern: usize, held: &[Held]) -> Result<Vec<Held>> {
        let mut held = held.to_vec();
        for (slot, held) in held.iter_mut().enumerate() {
            let mut value = Vec::new();
            self.cursor(pattern).write(slot, 0, &mut value)?;
            held.sample = Some(value.into());
        }
        Ok(held)
    }

    /// Where a field is in a pattern's events.
    ///
    /// The resolver is asked once for all segments whose slots hold the same, broadly. Where it cannot tell without
    /// asking each event, it is asked again with the values of one; its plan then holds where the others pass its tests.
    pub fn plan(&self, pattern: usize, field: &str) -> Result<FieldPlan> {
        let of = self.asked(pattern, field);
        let plan = self.plain(&of);
        if !matches!(plan, FieldPlan::PerEvent(..)) || of.meta.rows < SAMPLED {
            return Ok(plan);
        }
        let key = (pattern, field.to_owned());
        if let Some(plan) = self.guarded.borrow().get(&key) {
            return Ok(plan.clone());
        }
        let plan = self.guarded(pattern, &of)?.unwrap_or(plan);
        self.guarded.borrow_mut().insert(key, plan.clone());
        Ok(plan)
    }

    /// The same without looking at values: for a few events.
    pub fn plain_plan(&self, pattern: usize, field: &str) -> FieldPlan {
        self.plain(&self.asked(pattern, field))
    }

    fn asked<'a>(&'a self, pattern: usize, field: &'a str) -> Asked<'a> {
        let meta = &self.segment().footer().events.patterns[pattern];
        Asked { meta, sourcetype: self.segment().sourcetype(meta.class), held: Self::held(meta), field }
    }

    fn plain(&self, of: &Asked<'_>) -> FieldPlan {
        self.plans.plan(of, |of| self.resolver.resolve(of.sourcetype, &of.meta.pattern, &of.held, of.field))
    }

    /// A plan that another segment's sample gave, or that of this one's, if the values here pass its tests.
    fn guarded(&self, pattern: usize, of: &Asked<'_>) -> Result<Option<FieldPlan>> {
        if let Some(known) = self.plans.guarded(of)
            && self.pass(pattern, &known.guards)?
        {
            return Ok(Some(known.plan));
        }
        let sampled = self.sampled(pattern, &of.held)?;
        let Some(made) = self.resolver.guarded(of.sourcetype, &of.meta.pattern, &sampled, of.field) else { return Ok(None) };
        if !self.pass(pattern, &made.guards)? {
            return Ok(None);
        }
        self.plans.remember(of, made.clone());
        Ok(Some(made.plan))
    }

    /// All fields of a pattern whose names hang on what its slots hold, if the values here pass the tests of the first ones.
    pub fn guarded_fields(&self, pattern: usize, held: &[Held]) -> Result<Option<Vec<(String, FieldPlan)>>> {
        let meta = &self.segment().footer().events.patterns[pattern];
        if meta.rows < SAMPLED {
            return Ok(None);
        }
        let made = self.resolver.fields_guarded(self.segment().sourcetype(meta.class), &meta.pattern, &self.sampled(pattern, held)?);
        match made {
            Some(made) if self.pass(pattern, &made.guards)? => Ok(Some(made.plan)),
            _ => Ok(None),
        }
    }

    /// Whether all values of the slots pass.
    fn pass(&self, pattern: usize, guards: &[Guard]) -> Result<bool> {
        let slots: BTreeSet<usize> = guards.iter().map(|guard| guard.slot).collect();
        for slot in slots {
            let passes = |value: &[u8]| guards.iter().filter(|guard| guard.slot == slot).all(|guard| (guard.test)(value));
            if self.select_slot(slot, &passes, &NumberTest::default(), pattern)? != Selection::All {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
