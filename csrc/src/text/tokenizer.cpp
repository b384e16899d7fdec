// The tokenizer: reads a vocabulary, encodes (added tokens, then pieces, then merges) and decodes.
//
// What is decided here, where files or users can be odd:
// - Bytes that are not UTF-8, and NUL, are characters of no class to the pre-tokenizer and reach BPE as their byte
//   tokens: every byte string survives encoding and decoding. A vocabulary that lacks a byte's token is refused.
// - Control tokens (types control and unknown) and the protocol's literals come from text only when parse_special is
//   set. They are kept out of BPE altogether: a merge that would yield one is dropped, so no plain text can spell one.
// - Of tokens with the same text the last one counts, of merges of the same pair too. A merge whose parts or result are
//   no tokens can not lead to a token and is left out; one without a space between two texts is an error.
#include "text/tokenizer.h"

#include "gguf/text.h"
#include "text/bpe.h"
#include "text/byte_alphabet.h"
#include "text/literal_finder.h"
#include "text/pretokenizer.h"
#include "text/string_index.h"

#include <climits>
#include <functional>

namespace ds4 {

namespace {

// The literals of the message protocol. Files flag them as they like (control, user-defined, even normal), so they are
// known by their text.
enum Protocol { kBos, kEos, kUser, kAssistant, kThinkOpen, kThinkClose, kDsml, kLatestReminder, kProtocolCount };
constexpr std::string_view kProtocolText[kProtocolCount] = {
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜User｜>",
    "<｜Assistant｜>",
    "<think>",
    "</think>",
    "｜DSML｜",
    "<｜latest_reminder｜>",
};

bool is_protocol(std::string_view text) {
    for (std::string_view literal : kProtocolText) {
        if (text == literal) return true;
    }
    return false;
}

bool is_control(int32_t kind) { return kind == DS4X_TOKEN_CONTROL || kind == DS4X_TOKEN_UNKNOWN; }

// The ids of the pieces met lately in one encode call: texts repeat their words. Direct-mapped; entries point into the
// text and the output, so nothing is copied and nothing outlives the call.
class PieceCache {
public:
    struct Entry {
        std::string_view piece;
        size_t begin = 0, count = 0; // its ids in the output
    };
    explicit PieceCache(size_t text_bytes) : entries_(text_bytes < kSmallText ? 1 : kEntries) {}
    Entry &at(std::string_view piece) noexcept {
        return entries_[std::hash<std::string_view>()(piece) & (entries_.size() - 1)];
    }
    static constexpr size_t kMaxPiece = 32; // longer ones hardly repeat

private:
    static constexpr size_t kSmallText = 2048, kEntries = 4096;
    std::vector<Entry> entries_;
};

struct Tables {
    std::string file; // for messages
    std::vector<std::string> tokens, merges;
    std::vector<int32_t> types;
    bool has_types = false; // else all are normal
};

} // namespace

struct Tokenizer::Impl {
    explicit Impl(Tables tables);

    void load_types(const Tables &tables);
    void load_bytes();
    void load_alphabet(const Tables &tables, const StringIndex &mergeable);
    void load_merges(const Tables &tables, const StringIndex &mergeable);
    bool is_mergeable(size_t id) const;
    void encode_plain(std::string_view text, PieceCache &cache, Bpe::Scratch &scratch, std::vector<int32_t> &out) const;

    std::vector<std::string> texts;
    std::vector<std::string> decoded; // empty where the bytes are the text itself
    std::vector<uint8_t> kinds;
    StringIndex by_text, by_bytes;
    int32_t protocol[kProtocolCount];
    LiteralFinder plain_literals, all_literals; // without and with parse_special
    int32_t byte_ids[256];
    Bpe bpe;

    std::string_view bytes(size_t id) const { return decoded[id].empty() ? texts[id] : decoded[id]; }
};

Tokenizer::Impl::Impl(Tables tables) {
    const char *file = tables.file.c_str();
    if (tables.tokens.size() > INT32_MAX) {
        fail(DS4X_ERR_MODEL, "%s: tokenizer.ggml.tokens has %zu items; at most 2147483647 ids exist", file,
             tables.tokens.size());
    }
    if (tables.merges.size() >= FlatMap::kNone) {
        fail(DS4X_ERR_MODEL, "%s: tokenizer.ggml.merges has %zu items; at most 4294967294 can be ranked", file,
             tables.merges.size());
    }
    load_types(tables);
    texts = std::move(tables.tokens);
    load_bytes();

    by_text = StringIndex(texts.size());
    by_bytes = StringIndex(texts.size());
    StringIndex mergeable(texts.size());
    for (size_t id = 0; id < texts.size(); id++) {
        if (texts[id].empty()) continue; // stands for nothing and must not match everywhere
        by_text.set(texts[id], int32_t(id));
        by_bytes.set(bytes(id), int32_t(id));
        const bool special = is_control(kinds[id]) || is_protocol(texts[id]);
        if (!special && is_mergeable(id)) mergeable.set(texts[id], int32_t(id));
        if (special || kinds[id] == DS4X_TOKEN_USER) all_literals.add(texts[id], int32_t(id));
        if (!special && kinds[id] == DS4X_TOKEN_USER) plain_literals.add(texts[id], int32_t(id));
    }
    all_literals.build();
    plain_literals.build();
    for (int i = 0; i < kProtocolCount; i++) protocol[i] = by_text.get(kProtocolText[i]);
    load_alphabet(tables, mergeable);
    load_merges(tables, mergeable);
}

void Tokenizer::Impl::load_types(const Tables &tables) {
    const size_t n = tables.tokens.size();
    kinds.assign(n, DS4X_TOKEN_NORMAL);
    if (!tables.has_types) return;
    if (tables.types.size() != n) {
        fail(DS4X_ERR_MODEL, "%s: tokenizer.ggml.token_type has %zu items for %zu tokens; one per token is expected",
             tables.file.c_str(), tables.types.size(), n);
    }
    for (size_t id = 0; id < n; id++) {
        const int32_t type = tables.types[id];
        if (type < 0 || type > DS4X_TOKEN_BYTE) {
            fail(DS4X_ERR_MODEL, "%s: tokenizer.ggml.token_type[%zu] is %d; 1 to 6 is expected", tables.file.c_str(),
                 id, int(type));
        }
        if (type != 0) kinds[id] = uint8_t(type); // 0, undefined, is normal
    }
}

// Control and user-defined tokens are stored as they are; the others in the byte alphabet, or literally when they hold
// a character that it lacks (files without types).
void Tokenizer::Impl::load_bytes() {
    decoded.resize(texts.size());
    std::string bytes;
    for (size_t id = 0; id < texts.size(); id++) {
        if (is_control(kinds[id]) || kinds[id] == DS4X_TOKEN_USER) continue;
        if (text_to_bytes(texts[id], bytes) && bytes != texts[id]) decoded[id] = bytes;
    }
}

// Whether BPE may yield the token: it reads texts in the byte alphabet, so that must be how this text is meant.
bool Tokenizer::Impl::is_mergeable(size_t id) const {
    std::string meant;
    return text_to_bytes(texts[id], meant) && meant == bytes(id);
}

void Tokenizer::Impl::load_alphabet(const Tables &tables, const StringIndex &mergeable) {
    for (int byte = 0; byte < 256; byte++) {
        const std::string text = byte_to_text(uint8_t(byte));
        byte_ids[byte] = mergeable.get(text);
        if (byte_ids[byte] < 0) {
            fail(DS4X_ERR_MODEL,
                 "%s: tokenizer.ggml.tokens has no token for byte 0x%02x, expected as \"%s\"; text that "
                 "holds it could not be encoded",
                 tables.file.c_str(), byte, text.c_str());
        }
    }
}

void Tokenizer::Impl::load_merges(const Tables &tables, const StringIndex &mergeable) {
    bpe.reserve(tables.merges.size());
    std::string joined;
    for (size_t rank = 0; rank < tables.merges.size(); rank++) {
        const std::string_view merge = tables.merges[rank];
        const size_t space = merge.find(' ');
        if (space == 0 || space == std::string_view::npos || space + 1 == merge.size()) {
            fail(DS4X_ERR_MODEL,
                 "%s: tokenizer.ggml.merges[%zu] is %s; two texts with a space between them are expected",
                 tables.file.c_str(), rank, quoted(merge).c_str());
        }
        joined.assign(merge, 0, space).append(merge, space + 1);
        const int32_t left = mergeable.get(merge.substr(0, space)), right = mergeable.get(merge.substr(space + 1));
        const int32_t result = mergeable.get(joined);
        if (left >= 0 && right >= 0 && result >= 0) bpe.add(left, right, uint32_t(rank), result);
    }
}

void Tokenizer::Impl::encode_plain(std::string_view text, PieceCache &cache, Bpe::Scratch &scratch,
                                   std::vector<int32_t> &out) const {
    Pretokenizer pieces(text);
    std::string_view piece;
    while (pieces.next(piece)) {
        if (piece.size() == 1) {
            out.push_back(byte_ids[uint8_t(piece[0])]);
            continue;
        }
        PieceCache::Entry *entry = piece.size() <= PieceCache::kMaxPiece ? &cache.at(piece) : nullptr;
        if (entry && entry->piece == piece) {
            for (size_t i = 0; i < entry->count; i++) out.push_back(out[entry->begin + i]);
            continue;
        }
        scratch.ids.clear();
        for (char byte : piece) scratch.ids.push_back(byte_ids[uint8_t(byte)]);
        bpe.merge(scratch);
        if (entry) *entry = {piece, out.size(), scratch.ids.size()};
        out.insert(out.end(), scratch.ids.begin(), scratch.ids.end());
    }
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;

std::unique_ptr<Tokenizer> Tokenizer::from_tables(std::vector<std::string> tokens, std::vector<std::string> merges,
                                                  std::vector<int32_t> types) {
    const bool has_types = !types.empty();
    Tables tables{"tables", std::move(tokens), std::move(merges), std::move(types), has_types};
    return std::unique_ptr<Tokenizer>(new Tokenizer(std::make_unique<Impl>(std::move(tables))));
}

namespace {

std::vector<std::string> read_strings(const GgufFile &file, const char *key) {
    const MetaValue *value = file.find(key);
    if (!value) fail(DS4X_ERR_MODEL, "%s: %s is missing; an array of strings is expected", file.path().c_str(), key);
    if (!value->is_array() || value->item_type != DS4X_META_STRING) {
        fail(DS4X_ERR_MODEL, "%s: %s is not an array of strings", file.path().c_str(), key);
    }
    std::vector<std::string> strings;
    strings.reserve(value->count);
    for (uint64_t i = 0; i < value->count; i++) strings.emplace_back(value->item(i).s);
    return strings;
}

std::vector<int32_t> read_types(const GgufFile &file, const char *key) {
    std::vector<int32_t> types;
    const MetaValue *value = file.find(key);
    if (!value->is_array()) fail(DS4X_ERR_MODEL, "%s: %s is not an array of integers", file.path().c_str(), key);
    types.reserve(value->count);
    for (uint64_t i = 0; i < value->count; i++) {
        const MetaValue item = value->item(i);
        if (!item.is_integer()) fail(DS4X_ERR_MODEL, "%s: %s is not an array of integers", file.path().c_str(), key);
        const int64_t type = item.as_i64();
        types.push_back(type < 0 || type > INT32_MAX ? -1 : int32_t(type));
    }
    return types;
}

} // namespace

std::unique_ptr<Tokenizer> Tokenizer::from_gguf(const GgufFile &file, uint64_t n_vocab) {
    const MetaValue *tokens = file.find("tokenizer.ggml.tokens");
    if (!tokens || (tokens->is_array() && tokens->count == 0)) return nullptr;
    const char *path = file.path().c_str();
    const std::string model = file.opt_string("tokenizer.ggml.model", "gpt2");
    if (model != "gpt2") {
        fail(DS4X_ERR_MODEL, "%s: tokenizer.ggml.model is %s; only \"gpt2\" (byte-level BPE) is supported", path,
             quoted(model).c_str());
    }
    if (n_vocab != 0 && tokens->is_array() && tokens->count > n_vocab) {
        fail(DS4X_ERR_MODEL, "%s: tokenizer.ggml.tokens has %llu items; the model's vocabulary has %llu ids", path,
             (unsigned long long)tokens->count, (unsigned long long)n_vocab);
    }
    Tables tables;
    tables.file = file.path();
    tables.tokens = read_strings(file, "tokenizer.ggml.tokens");
    tables.merges = read_strings(file, "tokenizer.ggml.merges");
    tables.has_types = file.find("tokenizer.ggml.token_type") != nullptr;
    if (tables.has_types) tables.types = read_types(file, "tokenizer.ggml.token_type");
    return std::unique_ptr<Tokenizer>(new Tokenizer(std::make_unique<Impl>(std::move(tables))));
}

void Tokenizer::encode(std::string_view text, bool parse_special, std::vector<int32_t> &out) const {
    if (text.size() > INT32_MAX) {
        fail(DS4X_ERR_ARGUMENT, "text of %zu bytes; at most 2147483647 can be encoded at once", text.size());
    }
    std::vector<LiteralFinder::Match> matches;
    (parse_special ? impl_->all_literals : impl_->plain_literals).find(text, matches);
    Bpe::Scratch scratch;
    PieceCache cache(text.size());
    size_t begin = 0;
    for (const LiteralFinder::Match &match : matches) {
        impl_->encode_plain(text.substr(begin, match.begin - begin), cache, scratch, out);
        out.push_back(match.id);
        begin = match.begin + match.length;
    }
    impl_->encode_plain(text.substr(begin), cache, scratch, out);
}

size_t Tokenizer::size() const noexcept { return impl_->texts.size(); }

std::string_view Tokenizer::bytes(int32_t token) const noexcept {
    return token < 0 || size_t(token) >= size() ? std::string_view() : impl_->bytes(size_t(token));
}

std::string_view Tokenizer::text(int32_t token) const noexcept {
    return token < 0 || size_t(token) >= size() ? std::string_view() : std::string_view(impl_->texts[size_t(token)]);
}

int32_t Tokenizer::kind(int32_t token) const noexcept {
    return token < 0 || size_t(token) >= size() ? 0 : int32_t(impl_->kinds[size_t(token)]);
}

int32_t Tokenizer::find(std::string_view text) const noexcept {
    const int32_t id = impl_->by_text.get(text);
    return id >= 0 ? id : impl_->by_bytes.get(text);
}

int32_t Tokenizer::bos() const noexcept { return impl_->protocol[kBos]; }
int32_t Tokenizer::eos() const noexcept { return impl_->protocol[kEos]; }
int32_t Tokenizer::user() const noexcept { return impl_->protocol[kUser]; }
int32_t Tokenizer::assistant() const noexcept { return impl_->protocol[kAssistant]; }
int32_t Tokenizer::think_open() const noexcept { return impl_->protocol[kThinkOpen]; }
int32_t Tokenizer::think_close() const noexcept { return impl_->protocol[kThinkClose]; }
int32_t Tokenizer::dsml() const noexcept { return impl_->protocol[kDsml]; }

} // namespace ds4
