// SHA-256 and CRC-32C against the published examples, whole and in pieces.
#include "base/crc32c.h"
#include "base/sha256.h"
#include "check.h"

namespace {

std::string sha256(const std::string &text, size_t piece) {
    ds4::Sha256 sha;
    for (size_t at = 0; at < text.size(); at += piece) sha.update(text.data() + at, std::min(piece, text.size() - at));
    std::string out;
    char digits[3];
    for (const uint8_t byte : sha.finish()) {
        std::snprintf(digits, sizeof digits, "%02x", byte);
        out += digits;
    }
    return out;
}

} // namespace

TEST(sha256_gives_the_published_digests) {
    const struct {
        std::string text;
        const char *digest;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {std::string(1000000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    };
    for (const auto &c : cases)
        for (const size_t piece : {1, 3, 64, 65, 1000000}) CHECK_EQ(sha256(c.text, piece), std::string(c.digest));
}

TEST(crc32c_gives_the_published_checksums) {
    std::string ascending(32, '\0'), descending(32, '\0');
    for (int i = 0; i < 32; i++) ascending[size_t(i)] = char(i), descending[size_t(i)] = char(31 - i);
    const struct {
        std::string bytes;
        uint32_t crc;
    } cases[] = {{"", 0},
                 {"123456789", 0xe3069283},
                 {std::string(32, '\0'), 0x8a9136aa},
                 {std::string(32, '\xff'), 0x62a8ab43},
                 {ascending, 0x46dd794e},
                 {descending, 0x113fdb5c}};
    for (const auto &c : cases) {
        CHECK_EQ(ds4::crc32c(0, c.bytes.data(), c.bytes.size()), c.crc);
        CHECK_EQ(ds4::crc32c_portable(0, c.bytes.data(), c.bytes.size()), c.crc);
    }
}

TEST(crc32c_continues_at_any_place_and_alignment) {
    std::string bytes(257, '\0');
    for (size_t i = 0; i < bytes.size(); i++) bytes[i] = char(i * 167 + 13);
    for (size_t begin = 0; begin < 9; begin++) {
        const uint32_t whole = ds4::crc32c_portable(0, bytes.data() + begin, bytes.size() - begin);
        for (size_t cut = begin; cut <= bytes.size(); cut++) {
            const uint32_t first = ds4::crc32c(0, bytes.data() + begin, cut - begin);
            CHECK_EQ(ds4::crc32c(first, bytes.data() + cut, bytes.size() - cut), whole);
            CHECK_EQ(ds4::crc32c_portable(first, bytes.data() + cut, bytes.size() - cut), whole);
        }
    }
}
