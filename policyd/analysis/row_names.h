// policyd/analysis/row_names.h
// What the rows of one domain's reports have in common, each thing once and with a number: texts,
// addresses, reporters, sources, and the shapes of rows. Numbers are dense, are given in the order
// in which things come, and stay as long as the names do. Sums over numbers need no hashing and no
// strings; day_rows.h is made of them. Pure.

#ifndef DMARCATE_POLICYD_ANALYSIS_ROW_NAMES_H_
#define DMARCATE_POLICYD_ANALYSIS_ROW_NAMES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

#include "lib/base/ip_address.h"
#include "policyd/analysis/counts.h"

namespace dmarcate {

// Texts, each once, one behind the other. Not thread-safe while somebody adds.
class TextPool {
 public:
  TextPool() : numbers_(0, Hash{this}, Equal{this}) {}
  TextPool(const TextPool&) = delete;
  TextPool& operator=(const TextPool&) = delete;

  uint32_t Add(std::string_view text);
  std::optional<uint32_t> Find(std::string_view text) const;
  // Valid until the next Add().
  std::string_view operator[](uint32_t number) const {
    return {bytes_.data() + ends_[number], ends_[number + 1] - ends_[number]};
  }
  size_t size() const { return ends_.size() - 1; }
  size_t MemoryBytes() const {
    return bytes_.capacity() + ends_.capacity() * sizeof(size_t) +
           numbers_.capacity() * (sizeof(uint32_t) + 1);
  }

 private:
  struct Hash {
    using is_transparent = void;
    const TextPool* pool;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    size_t operator()(uint32_t number) const { return (*this)((*pool)[number]); }
  };
  struct Equal {
    using is_transparent = void;
    const TextPool* pool;
    bool operator()(uint32_t a, uint32_t b) const { return a == b; }
    bool operator()(uint32_t a, std::string_view b) const { return (*pool)[a] == b; }
    bool operator()(std::string_view a, uint32_t b) const { return a == (*pool)[b]; }
  };
  std::string bytes_;
  std::vector<size_t> ends_ = {0};  // of the text before; one more than there are texts
  absl::flat_hash_set<uint32_t, Hash, Equal> numbers_;
};

// All that matters of a row but who sent it, who reported it and how many there were.
struct RowShape {
  uint32_t header_from = 0;  // text
  // Text: the numbers of the selectors of our own passing signatures, in their order, four bytes
  // each. Of rows that carry one.
  uint32_t selectors = 0;
  // RowFacts.
  uint8_t dkim_aligned : 1 = 0, spf_aligned : 1 = 0, dkim_pass : 1 = 0, spf_pass : 1 = 0;
  uint8_t forwarded_by_override : 1 = 0, forwarded_by_broken_spf : 1 = 0;
  uint8_t own_signature : 1 = 0, own_envelope_denied : 1 = 0;
  uint8_t overrides = 0;  // a bit for each ReasonType
  uint8_t disposition = 0;
  // What was published, and what the listed identities come to: a pass of any; one that aligns by
  // relaxed or strict rules; and of SPF one that would if it passed. For what_if.h.
  uint8_t published_strict_dkim : 1 = 0, published_strict_spf : 1 = 0;
  uint8_t dkim_any : 1 = 0, dkim_relaxed : 1 = 0, dkim_strict : 1 = 0;
  uint8_t spf_any : 1 = 0, spf_relaxed : 1 = 0, spf_strict : 1 = 0;
  uint8_t spf_would_relaxed : 1 = 0, spf_would_strict : 1 = 0, spare : 6 = 0;
  uint8_t unused[3] = {};

  RowFacts facts() const {
    return RowFacts(dkim_aligned, spf_aligned, dkim_pass, spf_pass,
                    static_cast<Disposition>(disposition));
  }
  friend bool operator==(const RowShape& a, const RowShape& b) {
    return std::memcmp(&a, &b, sizeof(a)) == 0;
  }
  template <typename H>
  friend H AbslHashValue(H state, const RowShape& shape) {
    return H::combine_contiguous(std::move(state), reinterpret_cast<const char*>(&shape),
                                 sizeof(shape));
  }
};
static_assert(sizeof(RowShape) == 16, "compared and hashed by its bytes");

inline constexpr uint32_t kNoAddress = 0;  // a row whose address could not be read

// Not thread-safe while somebody adds.
class RowNames {
 public:
  RowNames() { addresses_.emplace_back(); }

  uint32_t AddAddress(const std::optional<IpAddress>& address);  // kNoAddress: nullopt
  const IpAddress& address(uint32_t number) const { return addresses_[number]; }
  size_t addresses() const { return addresses_.size(); }

  // By their ids. Most sources are a mere address, of which there may be very many: those have no
  // text of their own.
  uint32_t AddSource(std::string_view id);
  std::optional<uint32_t> FindSource(std::string_view id) const;
  std::string SourceId(uint32_t source) const;
  // The address that its id is made of; kNoAddress: it is not.
  uint32_t AddressOfSource(uint32_t source) const {
    return sources_[source].is_address ? sources_[source].number : kNoAddress;
  }
  size_t sources() const { return sources_.size(); }

  uint32_t AddReporter(std::string_view name) { return reporters_.Add(name); }
  std::string_view reporter(uint32_t number) const { return reporters_[number]; }
  size_t reporters() const { return reporters_.size(); }

  uint32_t AddText(std::string_view text) { return texts_.Add(text); }
  std::string_view text(uint32_t number) const { return texts_[number]; }

  uint32_t AddShape(const RowShape& shape);
  const RowShape& shape(uint32_t number) const { return shapes_[number]; }
  size_t shapes() const { return shapes_.size(); }

  size_t MemoryBytes() const;

 private:
  struct AddressHash {
    using is_transparent = void;
    const std::vector<IpAddress>* all;
    size_t operator()(const IpAddress& address) const;
    size_t operator()(uint32_t number) const { return (*this)((*all)[number]); }
  };
  struct AddressEqual {
    using is_transparent = void;
    const std::vector<IpAddress>* all;
    bool operator()(uint32_t a, uint32_t b) const { return a == b; }
    bool operator()(uint32_t a, const IpAddress& b) const { return (*all)[a] == b; }
    bool operator()(const IpAddress& a, uint32_t b) const { return a == (*all)[b]; }
  };
  struct Source {
    uint32_t number : 31;  // of an address, or of a text
    uint32_t is_address : 1;
  };

  TextPool texts_, reporters_;
  std::vector<IpAddress> addresses_;
  absl::flat_hash_set<uint32_t, AddressHash, AddressEqual> address_numbers_{
      0, AddressHash{&addresses_}, AddressEqual{&addresses_}};
  std::vector<Source> sources_;
  std::vector<uint32_t> source_of_address_;  // plus 1; 0: none
  absl::flat_hash_map<uint32_t, uint32_t> source_of_text_;
  std::vector<RowShape> shapes_;
  absl::flat_hash_map<RowShape, uint32_t> shape_numbers_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_ROW_NAMES_H_
