//! Double-entry journal, matching, reconciliation and exports.
//!
//! The rooms, in the order in which money walks through them: [`import`] reads what others sent, [`facts`] keeps it in one
//! shape, [`recon`] dedupes, foots, links and explains, [`journal`] books, [`answer`] tells programs, [`report`] and [`why`]
//! people, [`export`] other programs. [`bulk`] is the first pass over files too large to hold.

pub mod answer;
pub mod bulk;
pub mod chart;
pub mod export;
pub mod facts;
pub mod import;
pub mod journal;
pub mod normalise;
pub mod ops;
pub mod rates;
pub mod recon;
pub mod report;
pub mod waterfall;
pub mod why;
