//! Penalties over selected structures, and lambda schedules
