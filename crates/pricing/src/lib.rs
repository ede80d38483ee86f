//! Price book: cost, freight, duty, fees and margin to a channel price, and back.
