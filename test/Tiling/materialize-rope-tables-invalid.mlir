// RUN: rill-opt %s --rill-materialize-rope-tables --verify-diagnostics
// The number of positions must be known.

// expected-error @below {{carries no rill.model with max_seq_len}}
module {
}
