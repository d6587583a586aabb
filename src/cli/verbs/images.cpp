// SPDX-License-Identifier: Apache-2.0
#include "cli/filter_flag.h"
#include "cli/image_rows.h"
#include "cli/registry_auth.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

int images_verb(Invocation& invocation) {
    bool all = false, digests = false, full = false, quiet = false;
    std::string format;
    Filters filters;
    Flags flags(invocation, "[OPTIONS] [REPOSITORY[:TAG]]", "List images");
    flags.add({{"all", 'a', &all, "Show intermediate images too"},
               {"digests", 0, &digests, "Show digests"},
               filter_flag(filters, 'f', "Only images that fit the condition"),
               {"format", 0, &format, "Format: 'table', 'table TEMPLATE', 'json' or a Go template"},
               {"no-trunc", 0, &full, "Do not cut the output"},
               {"quiet", 'q', &quiet, "Show ids only"}});
    if (auto code = flags.parse({0, 1})) return *code;
    if (!flags.arguments().empty()) filters.add("reference", flags.arguments()[0]);
    if (format.empty() && !quiet) format = preference(invocation.global, "imagesFormat");
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    Call call{.path = "/images/json"};
    call.query.add_if(all, "all", "1").add_if(!filters.empty(), "filters", filters.text());
    auto images = (*api)->json(call);
    if (!images) return fail(images.error());
    if (quiet && format.empty()) format = "{{.ID}}";
    bool show_digests = digests || format.find(".Digest") != std::string::npos;
    Listing listing(format,
                    digests ? "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
                            : "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
                    image_columns());
    for (const auto& image : items(*images))
        for (auto& row : image_rows(image, full, show_digests ? Digests::Show : Digests::Hide))
            listing.add(std::move(row));
    return listing.print();
}

}  // namespace pila::cli
