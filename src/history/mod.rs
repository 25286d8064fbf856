//! Durable per-container usage store: the last hour at sample resolution, a
//! 24 h decaying histogram, a 30-day archive of 5-minute mean, max and P95.
