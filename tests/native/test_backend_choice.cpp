// Which backend an engine takes where there is no libds4_cuda beside it. With one: cuda/test_cuda_failures.cpp.
#include "session_fixture.h"

using namespace ds4;

TEST(auto_takes_the_cpu_without_the_cuda_library_and_says_why) {
    ScratchDir dir;
    EngineOptions o;
    o.model_path = session_test::write_tiny(dir);
    o.backend_options.n_threads = 1;
    {
        const auto engine = Engine::open(o);
        CHECK_EQ(engine->backend()->kind(), int32_t(DS4X_BACKEND_CPU));
        CHECK_EQ(engine->backend_reason(),
                 std::string("cpu: libds4 was installed without its CUDA backend (no libds4_cuda beside it)"));
        CHECK_EQ(engine->device_name(), std::string());
    }
    o.backend = DS4X_BACKEND_CPU;
    CHECK_EQ(Engine::open(o)->backend_reason(), std::string("cpu: asked for"));
    o.backend = DS4X_BACKEND_CUDA;
    CHECK_ERROR(Engine::open(o), DS4X_ERR_BACKEND, "backend cuda can not be used: libds4 was installed without");
    o.backend = DS4X_BACKEND_METAL;
    CHECK_ERROR(Engine::open(o), DS4X_ERR_BACKEND, "backend metal is not in this build");
    o.backend = 9;
    CHECK_ERROR(Engine::open(o), DS4X_ERR_ARGUMENT, "backend is 9");
}

TEST(tensor_data_is_read_from_the_file_as_it_is_mapped) {
    ScratchDir dir;
    const std::string path = session_test::write_tiny(dir);
    const auto file = GgufFile::open(path, GgufFile::Mode::full);
    for (size_t i = 0; i < file->tensor_count(); i++) {
        const TensorInfo &t = file->tensor(i);
        std::vector<uint8_t> bytes(t.bytes - 1);
        file->read(t, 1, bytes.data(), bytes.size());
        CHECK(std::equal(bytes.begin(), bytes.end(), t.data + 1));
    }
    const TensorInfo &last = file->tensor(file->tensor_count() - 1);
    std::vector<uint8_t> more(last.bytes + 4096);
    CHECK_ERROR(file->read(last, 0, more.data(), more.size()), DS4X_ERR_IO, "ended while it was read");
}
