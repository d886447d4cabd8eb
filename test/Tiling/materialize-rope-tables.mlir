// RUN: rill-opt %s --rill-materialize-rope-tables | FileCheck %s
// One table per (theta, width), of max_seq_len rows.

module attributes {rill.model = {max_seq_len = 64 : i64}} {
  // CHECK-COUNT-1: rill.weight @rope{{.*}} from "generated#rope theta={{.*}} width=8" : tensor<64x8xf32>
  // CHECK-NOT: rill.weight
  // CHECK-LABEL: func.func @shares_one_table
  func.func @shares_one_table(%x: tensor<1x?x2x8xf32>, %p: tensor<1x?xi64>) -> tensor<1x?x2x8xf32> {
    // CHECK: %[[T:.*]] = rill.weight.read @rope
    // CHECK: rill.rope %{{.*}}, %{{.*}} table %[[T]]
    %0 = rill.rope %x, %p {theta = 1.0e6} : (tensor<1x?x2x8xf32>, tensor<1x?xi64>) -> tensor<1x?x2x8xf32>
    // CHECK: rill.rope %{{.*}}, %{{.*}} table
    %1 = rill.rope %0, %p {theta = 1.0e6} : (tensor<1x?x2x8xf32>, tensor<1x?xi64>) -> tensor<1x?x2x8xf32>
    return %1 : tensor<1x?x2x8xf32>
  }
}
