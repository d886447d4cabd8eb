// The kernels of the benchmark: a warp per row of a bf16 matrix, and one
// 128 x 128 tile of a bf16 product.
#include <cstdint>
#include <cuda_bf16.h>

extern "C" __global__ void gemv(const uint4 *w, const uint4 *x, float *y,
                                int chunks) {
  int row = blockIdx.x * 8 + threadIdx.x / 32, lane = threadIdx.x % 32;
  float v = 0;
  for (int i = lane; i < chunks; i += 32) {
    uint4 a = w[row * chunks + i], b = x[i];
    const uint32_t *p = &a.x, *q = &b.x;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      v = fmaf(__uint_as_float(p[j] << 16), __uint_as_float(q[j] << 16), v);
      v = fmaf(__uint_as_float(p[j] & 0xffff0000),
               __uint_as_float(q[j] & 0xffff0000), v);
    }
  }
  for (int d = 16; d; d >>= 1) {
    v += __shfl_xor_sync(~0u, v, d);
  }
  if (lane == 0) {
    y[row] = v;
  }
}

__device__ inline uint32_t at(const void *p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

extern "C" __global__ void tile(const uint16_t *a, const uint16_t *b, float *c,
                                int k) {
  __shared__ __align__(16) uint16_t as[128 * 40], bs[128 * 40];
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  int m0 = warp / 4 * 64, n0 = warp % 4 * 32;
  float acc[4][4][4] = {};
  for (int k0 = 0; k0 < k; k0 += 32) {
    for (int i = threadIdx.x; i < 512; i += 256) {
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                       at(&as[i / 4 * 40 + i % 4 * 8])),
                   "l"(a + i / 4 * k + k0 + i % 4 * 8));
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                       at(&bs[i / 4 * 40 + i % 4 * 8])),
                   "l"(b + i / 4 * k + k0 + i % 4 * 8));
    }
    asm volatile("cp.async.commit_group;\ncp.async.wait_group 0;" ::
                     : "memory");
    __syncthreads();
    for (int kk = 0; kk < 32; kk += 16) {
      uint32_t f[4][4], g[2][4];
      for (int i = 0; i < 4; ++i) {
        asm volatile(
            "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
            : "=r"(f[i][0]), "=r"(f[i][1]), "=r"(f[i][2]), "=r"(f[i][3])
            : "r"(at(&as[(m0 + 16 * i + lane % 16) * 40 + kk +
                         lane / 16 * 8])));
      }
      for (int i = 0; i < 2; ++i) {
        asm volatile(
            "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
            : "=r"(g[i][0]), "=r"(g[i][1]), "=r"(g[i][2]), "=r"(g[i][3])
            : "r"(at(&bs[(n0 + 16 * i + lane % 8 + lane / 16 * 8) * 40 + kk +
                         lane / 8 % 2 * 8])));
      }
      for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) {
          float *d = acc[i][j];
          asm volatile(
              "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
              "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
              : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
              : "r"(f[i][0]), "r"(f[i][1]), "r"(f[i][2]), "r"(f[i][3]),
                "r"(g[j / 2][j % 2 * 2]), "r"(g[j / 2][j % 2 * 2 + 1]));
        }
      }
    }
    __syncthreads();
  }
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) {
      for (int r = 0; r < 4; ++r) {
        c[(m0 + 16 * i + lane / 4 + 8 * (r / 2)) * 128 + n0 + 8 * j +
          2 * (lane % 4) + r % 2] = acc[i][j][r];
      }
    }
  }
}
