extern "C" __global__ void a(int *p, int n) { __shared__ int s[256]; int l[64]; for (int i = 0; i < 64; ++i) l[i] = p[i] * n; s[threadIdx.x] = l[n & 63]; __syncthreads(); p[threadIdx.x] = s[n]; }
extern "C" __global__ void b(int *p) { p[threadIdx.x] = 1; }
