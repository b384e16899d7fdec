// libFuzzer target: any bytes as a GGUF file. Parsed in both modes, everything touched, then read as a model's header.
//   fuzz_gguf --write-seeds CORPUS && fuzz_gguf CORPUS
#include "fuzz_seeds.h"
#include "gguf_samples.h"
#include "tiny_model.h"
#include "touch_gguf.h"

#include "gguf/gguf.h"
#include "model/config.h"
#include "model/weights.h"

#include <memory>

extern "C" int LLVMFuzzerInitialize(int *argc, char ***argv) {
    fuzz_seeds::handle(*argc, *argv, [] {
        gguf_builder::Builder header = tiny_model::make(); // the directory alone: data has no part in parsing
        for (gguf_builder::Tensor &t : header.tensors) {
            t.offset = int64_t(&t - header.tensors.data()) << 20;
            t.data.clear();
        }
        gguf_builder::Builder no_vocabulary = header;
        no_vocabulary.kvs.clear();
        tiny_model::add_metadata(no_vocabulary);
        return fuzz_seeds::Seeds{{"every_type", gguf_samples::every_type().build()},
                                 {"model_header", header.build()},
                                 {"model_without_vocabulary", no_vocabulary.build()},
                                 {"empty", gguf_builder::Builder().build()}};
    });
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    using ds4::GgufFile;
    // Tensor data is read as it lies, so the buffer needs the alignment that a mapping has; exact size for the sanitizer.
    const std::unique_ptr<uint8_t, void (*)(void *)> copy(static_cast<uint8_t *>(std::malloc(size ? size : 1)),
                                                          std::free);
    if (size) std::memcpy(copy.get(), data, size);
    for (const auto mode : {GgufFile::Mode::full, GgufFile::Mode::header_only}) {
        try {
            const auto file = GgufFile::from_memory(copy.get(), size, "fuzz.gguf", mode);
            if (touch_gguf::contents(*file) == 0) std::abort(); // a name that can not be found
            touch_gguf::getters(*file);
            const ds4::Config config = ds4::Config::from_gguf(*file);
            ds4::check_weights(*file, config, ds4::BackendOptions());
        } catch (const ds4::Error &e) {
            const auto code = e.code();
            if (code != DS4X_ERR_FORMAT && code != DS4X_ERR_MODEL && code != DS4X_ERR_UNSUPPORTED) std::abort();
        }
    }
    return 0;
}
