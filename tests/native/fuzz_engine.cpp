// libFuzzer target: any bytes as a whole model, through the C API: opened with and without weights, tokenized with, run.
//   fuzz_engine --write-seeds CORPUS && fuzz_engine -max_len=300000 CORPUS
#include "drive_engine.h"
#include "fuzz_seeds.h"
#include "gguf_samples.h"
#include "tiny_model.h"

#include <unistd.h>

namespace {

// One file of this process, rewritten for every input.
class InputFile {
public:
    InputFile() : path_((std::filesystem::temp_directory_path() / ("ds4-fuzz-" + std::to_string(getpid()))).string()) {}
    ~InputFile() { std::remove(path_.c_str()); }
    const std::string &write(const uint8_t *data, size_t size) {
        FILE *f = std::fopen(path_.c_str(), "wb");
        if (!f || (size && std::fwrite(data, 1, size, f) != size) || std::fclose(f) != 0) std::abort();
        return path_;
    }

private:
    std::string path_;
};

void check(const drive_engine::Result &r, const std::string &path) {
    if (r.opened == DS4X_OK) return;
    if (r.opened == DS4X_ERR_INTERNAL || r.opened == DS4X_ERR_IO) std::abort();
    if (r.message.find(path) == std::string::npos || r.message.find('\n') != std::string::npos) {
        std::fprintf(stderr, "message: %s\n", r.message.c_str());
        std::abort();
    }
}

} // namespace

extern "C" int LLVMFuzzerInitialize(int *argc, char ***argv) {
    fuzz_seeds::handle(*argc, *argv, [] {
        gguf_builder::Builder no_vocabulary;
        tiny_model::add_metadata(no_vocabulary);
        no_vocabulary.tensors = tiny_model::make().tensors;
        return fuzz_seeds::Seeds{{"model", tiny_model::make().build()},
                                 {"model_without_vocabulary", no_vocabulary.build()},
                                 {"every_type", gguf_samples::every_type().build()}};
    });
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static InputFile file;
    const std::string &path = file.write(data, size);
    check(drive_engine::drive(path, true), path);
    check(drive_engine::drive(path, false, size % 2), path);
    return 0;
}
