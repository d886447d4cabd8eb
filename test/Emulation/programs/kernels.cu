// The kernels of the foreign programs: ordinary CUDA C++, compiled to
// kernels.ptx by regenerate.sh.
#include <cstdint>

extern "C" __global__ void reduce(const float *x, float *out, int n) {
  __shared__ float part[8];
  float v = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n;
       i += gridDim.x * blockDim.x) {
    v += x[i];
  }
  for (int d = 16; d; d >>= 1) {
    v += __shfl_down_sync(~0u, v, d);
  }
  if (threadIdx.x % 32 == 0) {
    part[threadIdx.x / 32] = v;
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    for (unsigned w = 1; w < blockDim.x / 32; ++w) {
      v += part[w];
    }
    atomicAdd(out, v);
  }
}

extern "C" __global__ void scan(const int *x, int *out, int n) {
  extern __shared__ int s[];
  int t = threadIdx.x;
  s[t] = t < n ? x[t] : 0;
  __syncthreads();
  for (int d = 1; d < blockDim.x; d *= 2) {
    int v = t >= d ? s[t - d] : 0;
    __syncthreads();
    s[t] += v;
    __syncthreads();
  }
  if (t < n) {
    out[t] = s[t];
  }
}

extern "C" __global__ void transpose(const float *x, float *out, int w,
                                     int h) {
  __shared__ float tile[32][33];
  int c = blockIdx.x * 32 + threadIdx.x, r = blockIdx.y * 32 + threadIdx.y;
  for (int j = 0; j < 32; j += 8) {
    if (c < w && r + j < h) {
      tile[threadIdx.y + j][threadIdx.x] = x[(r + j) * w + c];
    }
  }
  __syncthreads();
  c = blockIdx.y * 32 + threadIdx.x;
  r = blockIdx.x * 32 + threadIdx.y;
  for (int j = 0; j < 32; j += 8) {
    if (c < h && r + j < w) {
      out[(r + j) * h + c] = tile[threadIdx.x][threadIdx.y + j];
    }
  }
}

__device__ inline uint32_t sharedAddress(const void *p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// C[M,N] = A[M,K] B[N,K]^T, f16, 32 x 32 tiles, one warp per 16 x 16.
extern "C" __global__ void matmul(const uint16_t *a, const uint16_t *b,
                                  float *c, int n, int k) {
  __shared__ __align__(16) uint16_t as[32][24], bs[32][24];
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  int m0 = warp / 2 * 16, n0 = warp % 2 * 16;
  float acc[2][4] = {};
  for (int k0 = 0; k0 < k; k0 += 16) {
    for (int i = threadIdx.x; i < 512; i += 128) {
      as[i / 16][i % 16] = a[(blockIdx.y * 32 + i / 16) * k + k0 + i % 16];
      bs[i / 16][i % 16] = b[(blockIdx.x * 32 + i / 16) * k + k0 + i % 16];
    }
    __syncthreads();
    uint32_t f[4], g[4];
    asm volatile(
        "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
        : "=r"(f[0]), "=r"(f[1]), "=r"(f[2]), "=r"(f[3])
        : "r"(sharedAddress(&as[m0 + lane % 16][lane / 16 * 8])));
    asm volatile(
        "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
        : "=r"(g[0]), "=r"(g[1]), "=r"(g[2]), "=r"(g[3])
        : "r"(sharedAddress(
            &bs[n0 + lane % 8 + lane / 16 * 8][lane / 8 % 2 * 8])));
    for (int h = 0; h < 2; ++h) {
      asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                   "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                   : "+f"(acc[h][0]), "+f"(acc[h][1]), "+f"(acc[h][2]),
                     "+f"(acc[h][3])
                   : "r"(f[0]), "r"(f[1]), "r"(f[2]), "r"(f[3]),
                     "r"(g[2 * h]), "r"(g[2 * h + 1]));
    }
    __syncthreads();
  }
  for (int h = 0; h < 2; ++h) {
    for (int i = 0; i < 4; ++i) {
      int row = blockIdx.y * 32 + m0 + lane / 4 + 8 * (i / 2);
      int col = blockIdx.x * 32 + n0 + 8 * h + 2 * (lane % 4) + i % 2;
      c[row * n + col] = acc[h][i];
    }
  }
}

extern "C" __global__ void softmax(const float *x, float *out, int n) {
  __shared__ float best, sum;
  const float *row = x + blockIdx.x * n;
  float m = -1e30f, s = 0;
  for (int i = threadIdx.x; i < n; i += 32) {
    m = fmaxf(m, row[i]);
  }
  for (int d = 16; d; d >>= 1) {
    m = fmaxf(m, __shfl_xor_sync(~0u, m, d));
  }
  for (int i = threadIdx.x; i < n; i += 32) {
    s += expf(row[i] - m);
  }
  for (int d = 16; d; d >>= 1) {
    s += __shfl_xor_sync(~0u, s, d);
  }
  if (threadIdx.x == 0) {
    best = m;
    sum = s;
  }
  __syncthreads();
  for (int i = threadIdx.x; i < n; i += 32) {
    out[blockIdx.x * n + i] = expf(row[i] - best) / sum;
  }
}

extern "C" __global__ void histogram(const unsigned char *x, unsigned *out,
                                     int n) {
  __shared__ unsigned bins[256];
  for (int i = threadIdx.x; i < 256; i += blockDim.x) {
    bins[i] = 0;
  }
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n;
       i += gridDim.x * blockDim.x) {
    atomicAdd(&bins[x[i]], 1u);
  }
  __syncthreads();
  for (int i = threadIdx.x; i < 256; i += blockDim.x) {
    atomicAdd(&out[i], bins[i]);
  }
}

// Each block sums n floats through a ring of three cp.async stages.
extern "C" __global__ void pipeline(const float *x, float *out, int n) {
  __shared__ __align__(16) float ring[3][128 * 4];
  const float *mine = x + blockIdx.x * n;
  int stages = n / 512;
  float v = 0;
  auto issue = [&](int s) {
    if (s < stages) {
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                       sharedAddress(&ring[s % 3][threadIdx.x * 4])),
                   "l"(mine + s * 512 + threadIdx.x * 4));
    }
    asm volatile("cp.async.commit_group;");
  };
  issue(0);
  issue(1);
  for (int s = 0; s < stages; ++s) {
    asm volatile("cp.async.wait_group 1;" ::: "memory");
    __syncthreads();
    issue(s + 2);
    // A neighbour's data, so that the barrier matters.
    for (int j = 0; j < 4; ++j) {
      v += ring[s % 3][(threadIdx.x * 4 + 64 + j) % 512];
    }
  }
  asm volatile("cp.async.wait_all;" ::: "memory");
  atomicAdd(out + blockIdx.x, v);
}

__device__ inline void gridBarrier(unsigned *counter, unsigned target) {
  __syncthreads();
  if (threadIdx.x == 0) {
    asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(counter)
                 : "memory");
    unsigned seen;
    do {
      asm volatile("ld.acquire.gpu.global.u32 %0, [%1];"
                   : "=r"(seen)
                   : "l"(counter)
                   : "memory");
    } while (seen < target);
  }
  __syncthreads();
}

// Jacobi steps of a ring in one persistent launch.
extern "C" __global__ void persistent(float *a, float *b, unsigned *counter,
                                      int n, int steps) {
  for (int s = 0; s < steps; ++s) {
    const float *from = s % 2 ? b : a;
    float *to = s % 2 ? a : b;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += gridDim.x * blockDim.x) {
      to[i] = 0.5f * (__ldcg(from + (i + 1) % n) +
                      __ldcg(from + (i + n - 1) % n));
    }
    gridBarrier(counter, gridDim.x * (s + 1));
  }
}

extern "C" __global__ void first(const float *x, float *y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    y[i] = x[i] * 2;
  }
  asm volatile("griddepcontrol.launch_dependents;");
}

extern "C" __global__ void second(const float *y, float *z, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  float own = i * 0.5f;
  asm volatile("griddepcontrol.wait;" ::: "memory");
  if (i < n) {
    z[i] = y[n - 1 - i] + own;
  }
}

// Blocks of a cluster sum their neighbour's shared memory.
extern "C" __global__ void __cluster_dims__(4, 1, 1)
    cluster(const int *x, int *out) {
  __shared__ int s[64];
  s[threadIdx.x] = x[blockIdx.x * 64 + threadIdx.x];
  unsigned rank, remote;
  asm volatile("barrier.cluster.arrive.aligned;\n"
               "barrier.cluster.wait.aligned;" ::
                   : "memory");
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;"
               : "=r"(remote)
               : "r"(sharedAddress(&s[63 - threadIdx.x])),
                 "r"((rank + 1) % 4));
  int v;
  asm volatile("ld.shared::cluster.u32 %0, [%1];" : "=r"(v) : "r"(remote));
  out[blockIdx.x * 64 + threadIdx.x] = v + s[threadIdx.x];
  asm volatile("barrier.cluster.arrive.aligned;\n"
               "barrier.cluster.wait.aligned;" ::
                   : "memory");
}

struct Shape {
  virtual __device__ float area(float s) const = 0;
};
struct Square : Shape {
  __device__ float area(float s) const override { return s * s; }
};
struct Circle : Shape {
  __device__ float area(float s) const override { return 3.0f * s * s; }
};
__device__ __noinline__ int fibonacci(int n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}
// Recursion, virtual calls and local arrays.
extern "C" __global__ void calls(int *out, float *areas) {
  Square square;
  Circle circle;
  const Shape *shape = threadIdx.x % 2 ? (const Shape *)&square : &circle;
  areas[threadIdx.x] = shape->area(threadIdx.x);
  out[threadIdx.x] = fibonacci(threadIdx.x % 12);
}
