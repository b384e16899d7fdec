// What happens without a usable device, without memory, and when the device fails in the middle of a request. These need
// the emulated device, which fails on demand: on a real one they pass without doing anything.
#include "cuda_fixture.h"

using namespace ds4;
using namespace cuda_test;

namespace {

constexpr int32_t illegal_address = 700; // cudaErrorIllegalAddress

// The reason why the backend "auto" took the CPU; the message of the error that "cuda" answers is the same.
std::string reason_for_cpu(const std::string &path, int status) {
    Choice choice;
    const auto engine = open(path, choice);
    CHECK_EQ(engine->backend()->kind(), int32_t(DS4X_BACKEND_CPU));
    CHECK_EQ(engine->device_name(), std::string());
    std::string reason = engine->backend_reason();
    CHECK_EQ(reason.substr(0, 5), std::string("cpu: "));
    reason = reason.substr(5);
    choice.backend = DS4X_BACKEND_CUDA;
    CHECK_ERROR(open(path, choice), status, reason.c_str());
    return reason;
}

bool contains(const std::string &text, const char *words) { return text.find(words) != std::string::npos; }

} // namespace

TEST(cuda_auto_takes_the_cpu_without_a_usable_device_and_says_why) {
    if (!emulated()) return;
    ScratchDir dir;
    const std::string path = write_tiny(dir);
    {
        const DeviceIs none([](EmulatedDevice &d) { d.n_devices = 0; });
        CHECK(contains(reason_for_cpu(path, DS4X_ERR_BACKEND), "no CUDA device is visible"));
    }
    {
        const DeviceIs no_driver([](EmulatedDevice &d) { d.driver = 0; });
        CHECK(contains(reason_for_cpu(path, DS4X_ERR_BACKEND), "no CUDA driver is installed"));
    }
    {
        const DeviceIs old_driver([](EmulatedDevice &d) { d.driver = 12040; });
        CHECK(contains(reason_for_cpu(path, DS4X_ERR_BACKEND), "CUDA 12.4, this libds4_cuda needs 13.0"));
    }
    {
        const DeviceIs no_code([](EmulatedDevice &d) { d.has_code = 0; });
        CHECK(contains(reason_for_cpu(path, DS4X_ERR_BACKEND), "-DDS4_CUDA_ARCHITECTURES=90"));
    }
    {
        const DeviceIs small([](EmulatedDevice &d) { d.total_bytes = 128u << 20; });
        const std::string reason = reason_for_cpu(path, DS4X_ERR_MEMORY);
        CHECK(contains(reason, "GiB for weights") && contains(reason, "of 0.12 GiB are free"));
    }
    CHECK_EQ(open(path, {})->backend()->kind(), int32_t(DS4X_BACKEND_CUDA));
}

TEST(library_answers_with_and_without_a_device) {
    ScratchDir dir;
    const std::string path = write_tiny(dir);
    const auto engine = open(path, {});
    Choice choice;
    choice.backend = DS4X_BACKEND_CUDA;
    if (engine->backend()->kind() == DS4X_BACKEND_CUDA) {
        CHECK_EQ(open(path, choice)->device_name(), engine->device_name());
        CHECK_EQ(engine->backend_reason(), "cuda: " + engine->device_name());
    } else {
        const std::string reason = reason_for_cpu(path, DS4X_ERR_BACKEND);
        CHECK(!contains(reason, "libds4_cuda can not be loaded") && !contains(reason, "another build"));
    }
}

TEST(cuda_options_that_are_the_cpus_are_told_apart) {
    ScratchDir dir;
    const std::string path = write_tiny(dir);
    Choice choice;
    choice.backend = DS4X_BACKEND_CUDA;
    EngineOptions o = options_of(path, choice);
    o.backend_options.isa = DS4X_ISA_PORTABLE;
    CHECK_ERROR(Engine::open(o), DS4X_ERR_ARGUMENT, "instruction set");
    o = options_of(path, choice);
    o.backend_options.n_batch = 20000;
    CHECK_ERROR(Engine::open(o), DS4X_ERR_ARGUMENT, "at most 8192 tokens");
    o.backend = DS4X_BACKEND_AUTO;
    CHECK_EQ(Engine::open(o)->backend()->kind(), int32_t(DS4X_BACKEND_CPU));
}

TEST(cuda_opening_gives_all_memory_back_wherever_it_fails) {
    EmulatedDevice *device = emulated();
    if (!device) return;
    ScratchDir dir;
    const std::string path = write_tiny(dir);
    const size_t used = device->used_bytes;
    const int64_t before = device->calls;
    open(path, {DS4X_BACKEND_CUDA, true});
    const int64_t calls = device->calls - before;
    CHECK_EQ(device->used_bytes, used);
    CHECK(calls > 100);
    for (int64_t i = 1; i < calls; i += 7) {
        const DeviceIs failing([&](EmulatedDevice &d) {
            d.fail_after = i;
            d.fail_with = illegal_address;
        });
        try {
            open(path, {DS4X_BACKEND_CUDA, true});
        } catch (const Error &e) {
            CHECK_EQ(int(e.code()), int(DS4X_ERR_BACKEND));
        }
        CHECK_EQ(device->used_bytes, used);
    }
}

TEST(cuda_a_failure_in_a_request_fails_it_and_marks_the_engine) {
    if (!emulated()) return;
    ScratchDir dir;
    const std::string path = write_tiny(dir);
    const Tokens tokens = prompt(60);
    const auto healthy = open(path, {DS4X_BACKEND_CUDA, true});
    const Logits expected = fresh(healthy, tokens, 40);
    for (const int64_t after : {1, 20, 60}) {
        const auto engine = open(path, {DS4X_BACKEND_CUDA, true});
        Session s(engine, 100);
        feed(s, tokens, 0, 30);
        {
            const DeviceIs failing([&](EmulatedDevice &d) {
                d.fail_after = after;
                d.fail_with = illegal_address;
            });
            CHECK_ERROR(feed(s, tokens, 30, 40), DS4X_ERR_BACKEND, "illegal memory access");
            CHECK_EQ(s.pos(), 30u);
        }
        // The device works again, but what this engine left on it can not be trusted.
        CHECK_ERROR(feed(s, tokens, 30, 40), DS4X_ERR_BACKEND, "close this engine and open it again");
        CHECK_ERROR(s.fork(), DS4X_ERR_BACKEND, "failed earlier");
        CHECK_EQ(s.pos(), 30u);
        CHECK(fresh(healthy, tokens, 40) == expected); // others do not notice
    }
}

TEST(cuda_kv_memory_that_runs_out_fails_the_span_alone) {
    EmulatedDevice *device = emulated();
    if (!device) return;
    ScratchDir dir;
    const std::string path = write_tiny(dir);
    const Tokens tokens = prompt(400);
    const auto engine = open(path, {DS4X_BACKEND_CUDA, true});
    Session s(engine, 1000);
    const Logits expected = feed(s, tokens, 0, 100);
    s.rewind(99, nullptr);
    {
        const DeviceIs full([](EmulatedDevice &d) { d.total_bytes = d.used_bytes; });
        CHECK_ERROR(feed(s, tokens, 99, 400), DS4X_ERR_MEMORY, "out of memory for a");
        const Session spare(engine, 10); // in the state that long spans use
        CHECK_ERROR(Session(engine, 10), DS4X_ERR_MEMORY, "session state");
        CHECK_EQ(s.pos(), 99u);
    }
    CHECK(feed(s, tokens, 99, 100) == expected);
    Choice bounded{DS4X_BACKEND_CUDA, true};
    bounded.kv_bytes_max = 2 * engine->kv_layout().state_bytes;
    const auto small = open(path, bounded);
    Session one(small, 1000), two(small, 1000);
    CHECK_ERROR(Session(small, 1000), DS4X_ERR_MEMORY, "KV budget");
}

TEST(cuda_memory_is_counted_where_it_lies) {
    ScratchDir dir;
    const std::string path = write_tiny(dir);
    const auto engine = open(path, {DS4X_BACKEND_CUDA, true});
    ds4x_memory m = engine->memory_used();
    CHECK_EQ(m.weights_mapped, 0u);
    CHECK(m.weights_copied > 0 && m.workspace > 0);
    CHECK_EQ(m.weights_copied, engine->facts().cuda_bytes);
    const ds4x_memory estimate = engine->memory_estimate(1000, 2);
    CHECK_EQ(estimate.weights_copied, m.weights_copied);
    CHECK(estimate.workspace >= m.workspace / 2);
    Session s(engine, 1000);
    feed(s, prompt(200), 0, 200);
    m = engine->memory_used();
    CHECK(m.session_state >= engine->kv_layout().state_bytes && m.kv_pages == 2 * engine->kv_layout().page_bytes);
}

TEST(cuda_profiling_names_the_kernels) {
    ScratchDir dir;
    const auto engine = open(write_tiny(dir), {DS4X_BACKEND_CUDA, true});
    Session s(engine, 100);
    engine->profile(true);
    feed(s, prompt(20), 0, 20);
    std::vector<BackendKernelTime> times(engine->backend()->kernel_times(nullptr, 0));
    CHECK(times.size() > 10);
    engine->backend()->kernel_times(times.data(), times.size());
    uint64_t calls = 0;
    for (const BackendKernelTime &t : times) calls += t.calls;
    CHECK(calls > 50);
    engine->profile(false);
}
