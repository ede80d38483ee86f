//! Stateful fakes of the channels over real HTTP, seeded, with faults.
