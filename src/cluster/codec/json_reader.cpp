// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <cmath>
#include <deque>

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>

#include "base/text.h"
#include "cluster/codec/path_internal.h"

namespace pila::cluster::codec {

namespace {

// Receives what the parser finds and builds the tree; beside it the names of all objects that are open, to tell those
// that come twice.
class TreeBuilder {
public:
    static constexpr std::size_t max_object_size = json::object::max_size();
    static constexpr std::size_t max_array_size = json::array::max_size();
    static constexpr std::size_t max_key_size = json::string::max_size();
    static constexpr std::size_t max_string_size = json::string::max_size();

    TreeBuilder(std::string_view text, json::storage_ptr memory, Faults* faults, std::size_t max_nodes)
        : text_(text), faults_(faults), left_(max_nodes), stack_(json::storage_ptr(), buffer_, sizeof buffer_) {
        stack_.reset(std::move(memory));
    }

    json::value release() { return stack_.release(); }
    const std::string& refusal() const { return refusal_; }
    bool has_too_many_nodes() const { return too_many_; }

    bool on_document_begin(json::error_code&) { return true; }
    bool on_document_end(json::error_code&) { return true; }

    bool on_object_begin(json::error_code& error) {
        if (!count(error)) return false;
        frames_.push_back({keys_.size(), -1});
        return true;
    }

    bool on_object_end(std::size_t members, json::error_code&) {
        if (faults_) tell_duplicates();
        keys_.resize(frames_.back().first_key);
        frames_.pop_back();
        stack_.push_object(members);
        return true;
    }

    bool on_array_begin(json::error_code& error) {
        if (!count(error)) return false;
        frames_.push_back({keys_.size(), 0});
        return true;
    }

    bool on_array_end(std::size_t items, json::error_code&) {
        frames_.pop_back();
        stack_.push_array(items);
        return true;
    }

    bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
        key_part_.append(part.data(), part.size());
        stack_.push_chars(part);
        return true;
    }

    bool on_key(json::string_view rest, std::size_t, json::error_code&) {
        std::string_view key(rest.data(), rest.size());
        bool in_text = key_part_.empty() && rest.data() >= text_.data() && rest.data() < text_.data() + text_.size();
        if (!in_text) {
            key = kept_keys_.emplace_back(key_part_.append(key));
            key_part_.clear();
        }
        keys_.push_back(key);
        stack_.push_key(rest);
        return true;
    }

    bool on_string_part(json::string_view part, std::size_t, json::error_code&) {
        stack_.push_chars(part);
        return true;
    }

    bool on_string(json::string_view rest, std::size_t, json::error_code& error) {
        stack_.push_string(rest);
        return count(error);
    }

    bool on_number_part(json::string_view, json::error_code&) { return true; }

    bool on_int64(std::int64_t number, json::string_view, json::error_code& error) {
        stack_.push_int64(number);
        return count(error);
    }

    bool on_uint64(std::uint64_t number, json::string_view, json::error_code& error) {
        stack_.push_double(static_cast<double>(number));
        return count(error);
    }

    // The parser's own arithmetic may be off by a bit; the library's is exact.
    bool on_double(double number, json::string_view text, json::error_code& error) {
        double exact = number;
        auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), exact);
        if (end == text.data() + text.size() && failure == std::errc()) number = exact;
        if (!std::isfinite(number)) {
            refusal_ = fmt::format("json: cannot unmarshal number {} into Go value of type float64",
                                   std::string_view(text.data(), text.size()));
            error = json::error::exponent_overflow;
            return false;
        }
        stack_.push_double(number);
        return count(error);
    }

    bool on_bool(bool value, json::error_code& error) {
        stack_.push_bool(value);
        return count(error);
    }

    bool on_null(json::error_code& error) {
        stack_.push_null();
        return count(error);
    }

    bool on_comment_part(json::string_view, json::error_code&) { return true; }
    bool on_comment(json::string_view, json::error_code&) { return true; }

private:
    struct Frame {
        std::size_t first_key;
        std::ptrdiff_t index;  // of the next item; -1: an object
    };

    bool count(json::error_code& error) {
        if (!frames_.empty() && frames_.back().index >= 0) ++frames_.back().index;
        if (left_-- != 0) return true;
        left_ = 0;
        too_many_ = true;
        error = json::error::array_too_large;
        return false;
    }

    void tell_duplicates() {
        auto first = keys_.begin() + static_cast<std::ptrdiff_t>(frames_.back().first_key);
        constexpr std::ptrdiff_t few = 16;
        if (keys_.end() - first <= few) {
            for (auto key = first; key != keys_.end(); ++key)
                if (std::find(first, key, *key) != key) add_fault(faults_->duplicate, path_of(*key));
            return;
        }
        sorted_.assign(first, keys_.end());
        std::sort(sorted_.begin(), sorted_.end());
        for (auto at = std::adjacent_find(sorted_.begin(), sorted_.end());
             at != sorted_.end() && faults_->duplicate.size() < max_faults;
             at = std::adjacent_find(at + 1, sorted_.end()))
            add_fault(faults_->duplicate, path_of(*at));
    }

    std::string path_of(std::string_view key) const {
        std::string path;
        for (std::size_t at = 0; at + 1 < frames_.size(); ++at) {
            if (frames_[at].index >= 0)
                path += fmt::format("[{}]", frames_[at].index - 1);
            else
                path.append(path.empty() ? "" : ".").append(keys_[frames_[at + 1].first_key - 1]);
        }
        return path.append(path.empty() ? "" : ".").append(key);
    }

    std::string_view text_;
    Faults* faults_;
    std::size_t left_;
    bool too_many_ = false;
    std::string refusal_;
    std::vector<Frame> frames_;
    std::vector<std::string_view> keys_, sorted_;
    std::string key_part_;
    std::deque<std::string> kept_keys_;  // those with escapes, which are not in the text as they are
    unsigned char buffer_[8192];
    json::value_stack stack_;
};

// What encoding/json says where it can be said without its state machine.
std::string syntax_error(std::string_view text, std::size_t at, const json::error_code& error) {
    if (at >= text.size() || error == json::error::incomplete) return "unexpected end of JSON input";
    auto byte = static_cast<unsigned char>(text[at]);
    if (error == json::error::syntax && byte >= 0x20 && byte < 0x7f)
        return fmt::format("invalid character '{}' at byte {} of the JSON", text[at], at);
    return fmt::format("{} at byte {} of the JSON", error.message(), at);
}

}  // namespace

Result<json::value> read_json(std::string_view text, json::storage_ptr memory, Faults* faults, const Limits& limits) {
    if (text.size() > limits.max_bytes)
        return Error(Errc::Exhausted,
                     fmt::format("a body of {} bytes exceeds the limit of {}", text.size(), limits.max_bytes));
    json::parse_options options;
    options.max_depth = limits.max_depth;
    json::basic_parser<TreeBuilder> parser(options, text, std::move(memory), faults, limits.max_nodes);
    json::error_code error;
    auto used = parser.write_some(false, text.data(), text.size(), error);
    if (error) {
        const auto& builder = parser.handler();
        if (builder.has_too_many_nodes())
            return Error(Errc::Exhausted, fmt::format("the JSON has more than {} values", limits.max_nodes));
        if (!builder.refusal().empty()) return Error(Errc::Invalid, builder.refusal());
        if (error == json::error::too_deep)
            return Error(Errc::Invalid, fmt::format("the JSON is nested deeper than {} levels", limits.max_depth));
        return Error(Errc::Invalid, syntax_error(text, used, error));
    }
    auto rest = text.find_first_not_of(" \t\r\n", used);
    if (rest != text.npos)
        return Error(Errc::Invalid,
                     fmt::format("invalid character '{}' after top-level value", printable(text.substr(rest, 1))));
    return parser.handler().release();
}

Result<json::value> read_stored(std::string_view bytes, json::storage_ptr memory) {
    return read_json(bytes, std::move(memory), nullptr, {.max_bytes = bytes.size() + 1});
}

}  // namespace pila::cluster::codec
