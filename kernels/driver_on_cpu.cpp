// What Bot4 uses of NVIDIA's driver, on a CPU: built into a libcuda.so, so that the whole way of a job to a GPU and
// back (contexts, streams, pinned memory, kernels, several devices) runs where there is none. FAKE_GPUS says how many
// there are. Stricter than a driver: fresh memory holds NaNs, work of a stream comes late and in its order, copies and
// kernels stay within what was allocated on their own device. For checking, never for speed.
#include <dlfcn.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <queue>
#include <random>
#include <thread>

namespace {

enum Result { OK = 0, INVALID = 1, MEMORY = 2, NO_DEVICE = 100, NO_CONTEXT = 201, NOT_FOUND = 500, ADDRESS = 700 };

using Pointer = unsigned long long;
typedef void (*Entry)(unsigned, unsigned, unsigned, const unsigned*, const float*, float*);

struct Context {
    int device;
};

struct Allocation {
    size_t size;
    int device;
};

// never destroyed: streams work until the process is gone
std::mutex& memory_lock = *new std::mutex;
std::map<Pointer, Allocation>& memory = *new std::map<Pointer, Allocation>;
std::map<const char*, size_t>& pinned = *new std::map<const char*, size_t>;
std::mutex& kernel_lock = *new std::mutex;
Context contexts[8];
thread_local Context* current = nullptr;

int devices() {
    const char* text = getenv("FAKE_GPUS");
    return text ? atoi(text) : 1;
}

// Whether bytes lie within what was allocated, and on which device.
bool within(Pointer at, size_t size, int* device) {
    std::lock_guard<std::mutex> hold(memory_lock);
    auto next = memory.upper_bound(at);
    if (next == memory.begin()) return false;
    --next;
    *device = next->second.device;
    return at + size <= next->first + next->second.size;
}

bool is_pinned(const void* host, size_t size) {
    std::lock_guard<std::mutex> hold(memory_lock);
    auto next = pinned.upper_bound((const char*)host);
    if (next == pinned.begin()) return false;
    --next;
    return (const char*)host + size <= next->first + next->second;
}

// Work in its order, each piece a little late.
struct Stream {
    std::mutex lock;
    std::condition_variable changed;
    std::queue<std::function<void()>> work;
    bool busy = false, closing = false;
    std::minstd_rand delay;
    std::thread worker;

    Stream() : worker([this] { loop(); }) {}

    void loop() {
        std::unique_lock<std::mutex> hold(lock);
        for (;;) {
            changed.wait(hold, [this] { return closing || !work.empty(); });
            if (work.empty()) return;
            auto next = std::move(work.front());
            work.pop();
            busy = true;
            hold.unlock();
            std::this_thread::sleep_for(std::chrono::microseconds(delay() % 50));
            next();
            hold.lock();
            busy = false;
            changed.notify_all();
        }
    }

    void push(std::function<void()> job) {
        std::lock_guard<std::mutex> hold(lock);
        work.push(std::move(job));
        changed.notify_all();
    }

    void wait() {
        std::unique_lock<std::mutex> hold(lock);
        changed.wait(hold, [this] { return work.empty() && !busy; });
    }

    void close() {
        wait();
        {
            std::lock_guard<std::mutex> hold(lock);
            closing = true;
            changed.notify_all();
        }
        worker.join();
    }
};

Stream& stream_of(void* handle) {
    static Stream* whole = new Stream;
    return handle ? *(Stream*)handle : *whole;
}

struct Event {
    std::mutex lock;
    std::condition_variable changed;
    int pending = 0;

    void wait() {
        std::unique_lock<std::mutex> hold(lock);
        changed.wait(hold, [this] { return pending == 0; });
    }
};

int allocate(Pointer* to, size_t size) {
    if (!current) return NO_CONTEXT;
    if (size == 0) return INVALID;
    void* fresh = malloc(size);
    if (!fresh) return MEMORY;
    memset(fresh, 0xff, size);
    std::lock_guard<std::mutex> hold(memory_lock);
    memory[(Pointer)fresh] = {size, current->device};
    *to = (Pointer)fresh;
    return OK;
}

int release(Pointer at) {
    std::lock_guard<std::mutex> hold(memory_lock);
    auto found = memory.find(at);
    if (found == memory.end()) return INVALID;
    memset((void*)at, 0xff, found->second.size);
    free((void*)at);
    memory.erase(found);
    return OK;
}

}  // namespace

extern "C" {

int cuInit(unsigned) { return devices() > 0 ? OK : NO_DEVICE; }

int cuDeviceGetCount(int* count) {
    *count = devices();
    return OK;
}

int cuDeviceGet(int* device, int ordinal) {
    if (ordinal < 0 || ordinal >= devices() || ordinal >= 8) return 101;
    *device = ordinal;
    return OK;
}

int cuDeviceGetName(char* name, int size, int device) {
    snprintf(name, size, "a CPU in a GPU's place %d", device);
    return OK;
}

int cuDeviceTotalMem_v2(size_t* bytes, int) {
    *bytes = (size_t)6 << 30;
    return OK;
}

// Of all attributes only memory pools are asked for.
int cuDeviceGetAttribute(int* value, int, int) {
    *value = 1;
    return OK;
}

int cuDevicePrimaryCtxRetain(void** context, int device) {
    contexts[device].device = device;
    *context = &contexts[device];
    return OK;
}

int cuDevicePrimaryCtxRelease_v2(int) { return OK; }

int cuCtxGetCurrent(void** context) {
    *context = current;
    return OK;
}

int cuCtxSetCurrent(void* context) {
    current = (Context*)context;
    return OK;
}

int cuCtxSynchronize() { return OK; }

int cuModuleLoadData(void** module, const void* image) {
    *module = (void*)image;
    return strstr((const char*)image, ".entry") ? OK : 218;
}

int cuModuleUnload(void*) { return OK; }

int cuModuleGetFunction(void** function, void*, const char* name) {
    char symbol[128];
    snprintf(symbol, sizeof symbol, "on_cpu_%s", name);
    Dl_info self;
    dladdr((void*)&cuInit, &self);
    void* library = dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    *function = dlsym(library, symbol);
    return *function ? OK : NOT_FOUND;
}

int cuMemAlloc_v2(Pointer* to, size_t size) { return allocate(to, size); }
int cuMemFree_v2(Pointer at) { return release(at); }
int cuMemAllocAsync(Pointer* to, size_t size, void*) { return allocate(to, size); }

int cuMemFreeAsync(Pointer at, void* stream) {
    int device;
    if (!within(at, 1, &device)) return INVALID;
    stream_of(stream).push([at] { release(at); });
    return OK;
}

int cuMemHostAlloc(void** to, size_t size, unsigned) {
    *to = malloc(size);
    memset(*to, 0xff, size);
    std::lock_guard<std::mutex> hold(memory_lock);
    pinned[(const char*)*to] = size;
    return OK;
}

int cuMemFreeHost(void* at) {
    std::lock_guard<std::mutex> hold(memory_lock);
    if (pinned.erase((const char*)at) == 0) return INVALID;
    free(at);
    return OK;
}

int cuMemcpyHtoDAsync_v2(Pointer to, const void* from, size_t size, void* stream) {
    int device;
    if (!current || !within(to, size, &device) || device != current->device) return INVALID;
    if (is_pinned(from, size)) {
        stream_of(stream).push([=] { memcpy((void*)to, from, size); });
        return OK;
    }
    // pageable memory is read before the call returns
    void* copy = malloc(size);
    memcpy(copy, from, size);
    stream_of(stream).push([=] {
        memcpy((void*)to, copy, size);
        free(copy);
    });
    return OK;
}

int cuMemcpyDtoHAsync_v2(void* to, Pointer from, size_t size, void* stream) {
    int device;
    if (!current || !within(from, size, &device) || device != current->device) return INVALID;
    stream_of(stream).push([=] { memcpy(to, (void*)from, size); });
    // and pageable memory is written before it does
    if (!is_pinned(to, size)) stream_of(stream).wait();
    return OK;
}

int cuMemsetD8Async(Pointer to, unsigned char value, size_t size, void* stream) {
    int device;
    if (!current || !within(to, size, &device) || device != current->device) return INVALID;
    stream_of(stream).push([=] { memset((void*)to, value, size); });
    return OK;
}

int cuStreamCreate(void** stream, unsigned) {
    *stream = new Stream;
    return OK;
}

int cuStreamDestroy_v2(void* stream) {
    stream_of(stream).close();
    delete (Stream*)stream;
    return OK;
}

int cuStreamSynchronize(void* stream) {
    stream_of(stream).wait();
    return OK;
}

int cuEventCreate(void** event, unsigned) {
    *event = new Event;
    return OK;
}

int cuEventDestroy_v2(void* event) {
    ((Event*)event)->wait();
    delete (Event*)event;
    return OK;
}

int cuEventRecord(void* handle, void* stream) {
    Event* event = (Event*)handle;
    {
        std::lock_guard<std::mutex> hold(event->lock);
        event->pending++;
    }
    stream_of(stream).push([event] {
        std::lock_guard<std::mutex> hold(event->lock);
        event->pending--;
        event->changed.notify_all();
    });
    return OK;
}

int cuEventSynchronize(void* event) {
    ((Event*)event)->wait();
    return OK;
}

int cuStreamWaitEvent(void* stream, void* event, unsigned) {
    stream_of(stream).push([event] { ((Event*)event)->wait(); });
    return OK;
}

int cuLaunchKernel(void* function, unsigned columns, unsigned rows, unsigned, unsigned threads, unsigned, unsigned,
                   unsigned, void* stream, void** parameters, void**) {
    Pointer at[3];
    for (int i = 0; i < 3; i++) {
        at[i] = *(Pointer*)parameters[i];
        int device;
        if (!current || !within(at[i], 4, &device) || device != current->device) return ADDRESS;
    }
    stream_of(stream).push([=] {
        // what a block shares stands once for all
        std::lock_guard<std::mutex> hold(kernel_lock);
        ((Entry)function)(columns, rows, threads, (const unsigned*)at[0], (const float*)at[1], (float*)at[2]);
    });
    return OK;
}

int cuGetErrorName(int error, const char** name) {
    *name = error == OK ? "no error" : "an error of the driver's double";
    return OK;
}

int cuGetErrorString(int error, const char** text) { return cuGetErrorName(error, text); }
}
