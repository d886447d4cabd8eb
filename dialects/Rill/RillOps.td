//===- RillOps.td - All ops of rill ---------------------------*- tablegen -*-===//
//
// Includes the op families and nothing else.
//
//===----------------------------------------------------------------------===//
include "dialects/Rill/RillStateOps.td"
include "dialects/Rill/RillTensorOps.td"
include "dialects/Rill/RillConvOps.td"
include "dialects/Rill/RillAttentionOps.td"
