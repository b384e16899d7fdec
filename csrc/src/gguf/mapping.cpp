// Opens and maps a file with the system's own calls; every refusal says which file and why.
#include "gguf/mapping.h"

#include "base/error.h"
#include "gguf/text.h"

#include <cerrno>
#include <cstring>

#if defined(_WIN32)
#  define WIN32_LEAN_AND_MEAN
#  define NOMINMAX
#  include <vector>
#  include <windows.h>
#else
#  include <fcntl.h>
#  include <sys/mman.h>
#  include <sys/stat.h>
#  include <unistd.h>
#endif

namespace ds4 {
namespace {

[[noreturn]] void refuse(const std::string &path, const std::string &reason) {
    fail(DS4X_ERR_IO, "%s: %s", shown_path(path).c_str(), reason.c_str());
}

} // namespace

Mapping::~Mapping() { close(); }

void Mapping::check_unchanged() const {
    const Stamp now = stamp();
    if (now.size != opened_.size)
        refuse(path_, format("the file changed since it was opened: it had %llu bytes and has %llu now; open it again",
                             (unsigned long long)opened_.size, (unsigned long long)now.size));
    if (now.mtime_s != opened_.mtime_s || now.mtime_ns != opened_.mtime_ns)
        refuse(path_, "the file changed since it was opened: its modification time is a different one; open it again");
}

#if defined(_WIN32)

namespace {

std::string system_reason(DWORD code) {
    if (code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND) return "no such file";
    if (code == ERROR_ACCESS_DENIED) return "permission denied";
    return "system error " + std::to_string(code);
}

std::vector<wchar_t> wide(const std::string &path) {
    const int n = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.c_str(), -1, nullptr, 0);
    if (n <= 0) refuse(path, "the path is not valid UTF-8");
    std::vector<wchar_t> out(static_cast<size_t>(n));
    MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.c_str(), -1, out.data(), n);
    return out;
}

} // namespace

Mapping::Mapping(const std::string &path) : path_(path) {
    if (path.empty()) refuse(path, "the path is empty");
    if (path.find('\0') != std::string::npos) refuse(path, "the path holds a NUL byte");
    const std::vector<wchar_t> name = wide(path);
    const DWORD attributes = GetFileAttributesW(name.data());
    if (attributes == INVALID_FILE_ATTRIBUTES) refuse(path, system_reason(GetLastError()));
    if (attributes & FILE_ATTRIBUTE_DIRECTORY) refuse(path, "is a directory, expected a .gguf file");
    HANDLE file = CreateFileW(name.data(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr, OPEN_EXISTING,
                              FILE_ATTRIBUTE_NORMAL, nullptr);
    if (file == INVALID_HANDLE_VALUE) refuse(path, "can not be opened: " + system_reason(GetLastError()));
    file_ = file;
    try {
        if (GetFileType(file) != FILE_TYPE_DISK) refuse(path, "is not a regular file");
        opened_ = stamp();
        size_ = opened_.size;
        if (size_ == 0) return;
        if (size_ > SIZE_MAX) refuse(path, "is too large for this machine's address space");
        section_ = CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr);
        if (section_) data_ = static_cast<const uint8_t *>(MapViewOfFile(section_, FILE_MAP_READ, 0, 0, 0));
        if (!data_) refuse(path, "can not be mapped: " + system_reason(GetLastError()));
    } catch (...) {
        close();
        throw;
    }
}

Mapping::Stamp Mapping::stamp() const {
    LARGE_INTEGER size;
    FILETIME written;
    if (!GetFileSizeEx(file_, &size) || !GetFileTime(file_, nullptr, nullptr, &written))
        refuse(path_, "its size can not be read: " + system_reason(GetLastError()));
    Stamp out;
    out.size = static_cast<uint64_t>(size.QuadPart);
    out.mtime_s = written.dwHighDateTime;
    out.mtime_ns = written.dwLowDateTime;
    return out;
}

void Mapping::close() noexcept {
    if (data_) UnmapViewOfFile(data_);
    if (section_) CloseHandle(section_);
    if (file_) CloseHandle(file_);
    data_ = nullptr;
    section_ = file_ = nullptr;
}

void Mapping::advise_willneed() const noexcept {}

void Mapping::read(uint64_t at, void *out, size_t n) const { std::memcpy(out, data_ + at, n); }

#else

namespace {

std::string system_reason(int code) {
    switch (code) {
    case ENOENT: return "no such file";
    case ENOTDIR: return "no such file: a part of the path is not a directory";
    case EACCES:
    case EPERM: return "permission denied";
    default: return std::strerror(code);
    }
}

void require_regular(const std::string &path, const struct stat &st) {
    if (S_ISDIR(st.st_mode)) refuse(path, "is a directory, expected a .gguf file");
    if (S_ISFIFO(st.st_mode)) refuse(path, "is a pipe, expected a regular .gguf file");
    if (!S_ISREG(st.st_mode)) refuse(path, "is not a regular file");
}

} // namespace

Mapping::Mapping(const std::string &path) : path_(path) {
    if (path.empty()) refuse(path, "the path is empty");
    if (path.find('\0') != std::string::npos) refuse(path, "the path holds a NUL byte");
    // Asked before opening, because opening a device or a pipe can have effects of its own; asked again after it, because
    // the path may have come to mean something else.
    struct stat st;
    if (stat(path.c_str(), &st) != 0) refuse(path, system_reason(errno));
    require_regular(path, st);
    do {
        fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    } while (fd_ < 0 && errno == EINTR);
    if (fd_ < 0) refuse(path, "can not be opened: " + system_reason(errno));
    try {
        if (fstat(fd_, &st) != 0) refuse(path, system_reason(errno));
        require_regular(path, st);
        opened_ = stamp();
        size_ = opened_.size;
        if (size_ == 0) return;
        if (size_ > SIZE_MAX) refuse(path, "is too large for this machine's address space");
        // Shared, so that pages stay those of the file when a device driver pins them; a few file systems only offer
        // private mappings.
        void *p = mmap(nullptr, size_t(size_), PROT_READ, MAP_SHARED, fd_, 0);
        if (p == MAP_FAILED && (errno == ENODEV || errno == EINVAL))
            p = mmap(nullptr, size_t(size_), PROT_READ, MAP_PRIVATE, fd_, 0);
        if (p == MAP_FAILED) refuse(path, "can not be mapped: " + system_reason(errno));
        data_ = static_cast<const uint8_t *>(p);
    } catch (...) {
        close();
        throw;
    }
}

Mapping::Stamp Mapping::stamp() const {
    struct stat st;
    if (fstat(fd_, &st) != 0) refuse(path_, "its size can not be read: " + system_reason(errno));
    Stamp out;
    out.size = static_cast<uint64_t>(st.st_size);
#  if defined(__APPLE__)
    out.mtime_s = st.st_mtimespec.tv_sec;
    out.mtime_ns = st.st_mtimespec.tv_nsec;
#  else
    out.mtime_s = st.st_mtim.tv_sec;
    out.mtime_ns = st.st_mtim.tv_nsec;
#  endif
    return out;
}

void Mapping::close() noexcept {
    if (data_) munmap(const_cast<uint8_t *>(data_), size_t(size_));
    if (fd_ >= 0) ::close(fd_);
    data_ = nullptr;
    fd_ = -1;
}

void Mapping::advise_willneed() const noexcept {
    if (data_) posix_madvise(const_cast<uint8_t *>(data_), size_t(size_), POSIX_MADV_WILLNEED);
}

void Mapping::read(uint64_t at, void *out, size_t n) const {
    uint8_t *to = static_cast<uint8_t *>(out);
    while (n) {
        const ssize_t got = pread(fd_, to, n, off_t(at));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) refuse(path_, "can not be read: " + system_reason(errno));
        if (got == 0) refuse(path_, "ended while it was read: it was changed since it was opened");
        to += got;
        at += uint64_t(got);
        n -= size_t(got);
    }
}

#endif

} // namespace ds4
