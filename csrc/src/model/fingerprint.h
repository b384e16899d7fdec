// 32 bytes that tell models apart.
#pragma once

#include "base/sha256.h"
#include "model/config.h"

#include <mutex>
#include <string>

namespace ds4 {

using Fingerprint = Sha256::Digest;

// SHA-256 over the sizes and constants of the configuration, the vocabulary, and each tensor's name, type, dimensions
// and the first, middle and last 4 KiB of its data. The same for the same model under any path, split or whole.
// Throws Error(STATE) when tensor data is not there, Error(IO) when the file changed since it was opened.
Fingerprint model_fingerprint(const GgufFile &file, const Config &config);

std::string hex(const Fingerprint &fingerprint);

// A fingerprint that is computed at most once; thread-safe.
class FingerprintCache {
public:
    const Fingerprint &get(const GgufFile &file, const Config &config) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!known_) value_ = model_fingerprint(file, config);
        known_ = true;
        return value_;
    }

private:
    std::mutex mutex_;
    bool known_ = false;
    Fingerprint value_{};
};

} // namespace ds4
