"""The network in PyTorch, from docs/MODEL.md alone: what the C programs are compared with. Module names are those of the
published checkpoints, so that a state dictionary of this model has exactly their names and shapes. One sequence at a time, no
dropout, no cleverness: what C folds, reverses, packs or caches is written out here."""
import torch
from torch import nn

VOCABULARY = (262, 134, 135, 262, 134, 38, 260, 55)
PREDICTORS = "last,mean2,mean8,mean32,near16,blend,near64,weighted32,highest8,lowest8,spread32,known"
TABLE = 256  # width of each of the eight embedding tables
EPSILON = 1e-12


class Module(nn.Module):
    """Submodules by keyword: their names are the file's."""

    def __init__(self, /, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


class Attention(Module):
    def __init__(self, width, heads, span):
        super().__init__(query=nn.Linear(width, width), key=nn.Linear(width, width), value=nn.Linear(width, width),
                         distance_embedding=nn.Embedding(2 * span - 1, width // heads))
        self.heads, self.span = heads, span

    def split(self, rows):
        return rows.view(len(rows), self.heads, -1).transpose(0, 1)  # [a][T][e]

    def forward(self, x, visible, notes):
        """visible [T][T]; notes [T]: which note a row is about."""
        count = len(x)
        distance = notes[:, None] - notes[None, :]  # l - r
        # out of the table only where nothing is visible
        index = (distance + self.span - 1).clamp(0, 2 * self.span - 2).expand(self.heads, count, count)
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        table = self.distance_embedding.weight
        q_to_e = (q @ table.T).gather(2, index)                                   # [a][l][r]: q_l . E[l - r + W - 1]
        k_to_e = (k @ table.T).gather(2, index.transpose(1, 2)).transpose(1, 2)   # [a][l][r]: k_r . E[l - r + W - 1]
        scores = (q @ k.transpose(1, 2) + q_to_e + k_to_e) / (x.shape[1] // self.heads) ** 0.5
        weights = scores.masked_fill(~visible, float("-inf")).softmax(dim=2)
        return (weights @ v).transpose(0, 1).reshape(x.shape)


def dense_and_norm(inputs, width):
    return Module(dense=nn.Linear(inputs, width), LayerNorm=nn.LayerNorm(width, EPSILON))


class Layer(Module):
    def __init__(self, width, inner, heads, span):
        super().__init__(attention=Module(self=Attention(width, heads, span), output=dense_and_norm(width, width)),
                         intermediate=Module(dense=nn.Linear(width, inner)), output=dense_and_norm(inner, width))

    def forward(self, x, visible, notes):
        attend = self.attention.output
        h = attend.LayerNorm(x + attend.dense(self.attention.get_submodule("self")(x, visible, notes)))
        inner = nn.functional.gelu(self.intermediate.dense(h))  # the exact one: erf
        return self.output.LayerNorm(h + self.output.dense(inner))


class Encoder(Module):
    """unused: the published checkpoint's tensors that nothing reads: word and absolute position tables, pooler,
    attention_linear."""

    def __init__(self, layers, width, inner, heads, span, lookahead=None, unused=False):
        embeddings = {"token_type_embeddings": nn.Embedding(2, width), "LayerNorm": nn.LayerNorm(width, EPSILON)}
        bert, more = {}, {}
        if unused:
            embeddings.update(word_embeddings=nn.Embedding(30522, width), position_embeddings=nn.Embedding(span, width))
            bert["pooler"] = Module(dense=nn.Linear(width, width))
            more["attention_linear"] = nn.Sequential(nn.Linear(8 * TABLE, 4 * TABLE), nn.ReLU(), nn.Linear(4 * TABLE, 4 * TABLE),
                                                     nn.ReLU(), nn.Linear(4 * TABLE, 8 * TABLE), nn.Sigmoid())
        bert.update(embeddings=Module(**embeddings), encoder=Module(layer=nn.ModuleList(
            Layer(width, inner, heads, span) for _ in range(layers))))
        super().__init__(word_emb=nn.ModuleList(Module(lut=nn.Embedding(size, TABLE)) for size in VOCABULARY),
                         in_linear=nn.Linear(8 * TABLE, width), bert=Module(**bert), **more)
        if unused:
            self.bert.embeddings.register_buffer("position_ids", torch.arange(span)[None])
        self.span, self.lookahead = span, lookahead

    def visible(self, limit):
        """[T][T]: row l sees row r iff l - r < W and r is not past its limit, nor past the look-ahead."""
        notes = torch.arange(len(limit))
        sees = (notes[:, None] - notes[None, :] < self.span) & (notes[None, :] <= limit[:, None])
        return sees if self.lookahead is None else sees & (notes[None, :] - notes[:, None] <= self.lookahead)

    def causal(self, count):
        """[2 L][2 L] of L causal rows and then L queries: both see causal rows of the band, up to their own note or before it;
        a query sees itself, too."""
        notes = torch.arange(count)
        distance = notes[:, None] - notes[None, :]
        rows = torch.cat([(distance >= 0) & (distance < self.span), (distance > 0) & (distance < self.span)])
        return torch.cat([rows, torch.cat([torch.zeros(count, count), torch.eye(count)]).bool()], dim=1)

    def forward(self, tokens, limit=None, causal=False):
        """tokens [T][8] -> hidden states [T][d]. limit [T]: last row that each row sees; None: all. causal: of T / 2 causal rows
        and the queries of the same notes."""
        notes = torch.arange(len(tokens) // 2).repeat(2) if causal else torch.arange(len(tokens))
        if limit is None:
            limit = torch.full((len(tokens),), len(tokens) - 1)
        rows = [table.lut(tokens[:, i]) * TABLE ** 0.5 for i, table in enumerate(self.word_emb)]
        embeddings = self.bert.embeddings
        x = self.in_linear(torch.cat(rows, dim=1)) + embeddings.token_type_embeddings.weight[0]
        x, visible = embeddings.LayerNorm(x), self.causal(len(tokens) // 2) if causal else self.visible(limit)
        for layer in self.bert.encoder.layer:
            x = layer(x, visible, notes)
        return x


class NoteHead(Module):
    """second: whether a dropout stands before the last layer, which moves that from classifier.3 to classifier.4."""

    def __init__(self, width, classes, second=True, **more):
        dropouts = [nn.Dropout(0)] if second else []
        super().__init__(classifier=nn.Sequential(nn.Dropout(0), nn.Linear(width, 256), nn.ReLU(), *dropouts,
                                                  nn.Linear(256, classes)), **more)

    def head(self, hidden):
        return self.classifier(hidden)


class SequenceHead(Module):
    def __init__(self, width, classes, **more):
        super().__init__(attention=Module(ws1=nn.Linear(width, 128, bias=False), ws2=nn.Linear(128, 4, bias=False)),
                         classifier=nn.Sequential(nn.Linear(4 * width, 256), nn.ReLU(), nn.Linear(256, classes)), **more)

    def head(self, hidden):
        weights = self.attention.ws2(torch.tanh(self.attention.ws1(hidden))).softmax(dim=0)  # [T][4], over notes
        return self.classifier((weights.T @ hidden).reshape(-1))


class Network(Module):
    """Our weights files: one encoder, any number of heads, built from a file's metadata."""

    def __init__(self, metadata):
        sizes = {key: int(metadata[key]) for key in ("layers", "width", "inner", "attention_heads", "span")}
        bound = metadata["lookahead"]
        encoder = Encoder(sizes["layers"], sizes["width"], sizes["inner"], sizes["attention_heads"], sizes["span"],
                          None if bound == "unlimited" else int(bound))
        heads_by_name, names = {}, [name for name in metadata["heads"].split(",") if name]
        for name in names:
            kind = NoteHead if metadata["head.%s.level" % name] == "note" else SequenceHead
            more = len(PREDICTORS.split(",")) if metadata["head.%s.setting" % name] == "causal" else 0
            heads_by_name[name] = kind(sizes["width"] + more, len(metadata["head.%s.labels" % name].split(",")))
        super().__init__(midibert=encoder, **heads_by_name)
        self.names = names
        self.causal = {name for name in names if metadata["head.%s.setting" % name] == "causal"}

    def logits(self, name, hidden):
        return getattr(self, name).head(hidden)

    def hidden(self, sequence):
        return self.midibert(sequence.tokens, sequence.limit, sequence.predictors is not None)

    def asks(self, name, sequence):
        """Causal heads are asked in causal sequences, and no other is."""
        return (name in self.causal) == (sequence.predictors is not None)

    @staticmethod
    def inputs(sequence, hidden):
        """What heads of notes read: of a causal sequence the queries, and beside each the predictors of its note."""
        if sequence.predictors is None:
            return hidden
        return torch.cat([hidden[len(hidden) // 2:], sequence.predictors.to(hidden.dtype)], dim=1)

    def losses(self, sequence):
        """Sum of cross-entropies of each head over what it is asked; a head that is not asked has none."""
        hidden, found = self.hidden(sequence), {}
        for h, name in enumerate(self.names):
            if not self.asks(name, sequence):
                continue
            if isinstance(getattr(self, name), SequenceHead):
                logits, truth = self.logits(name, hidden)[None], sequence.classes[h:h + 1]
            else:
                inputs = self.inputs(sequence, hidden)
                logits, truth = self.logits(name, inputs), sequence.labels[:len(inputs), h]
            if (truth >= 0).any():
                found[name] = nn.functional.cross_entropy(logits, truth, ignore_index=-1, reduction="sum")
        return found


def load(metadata, tensors, dtype=torch.float64):
    """The network of a weights file. A missing, extra or misshapen tensor is refused."""
    network = Network(metadata).to(dtype)
    # what is familiar to a head, and its texture, are not part of the network
    network.load_state_dict({name: torch.from_numpy(numbers.copy()).to(dtype) for name, numbers in tensors.items()
                             if ".familiar." not in name and ".texture." not in name})
    return network


def randomise(network, seed):
    """Weights that are nothing like a start: every term counts, biases, norms and distances too."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, values in network.named_parameters():
            noise = torch.randn(values.shape, dtype=torch.float64)
            if values.dim() == 1:
                values.copy_(0.1 * noise + (1 if name.endswith("LayerNorm.weight") else 0))
            elif "lut" in name:
                values.copy_(0.1 * noise)
            elif "embedding" in name:
                values.copy_(0.3 * noise)
            else:  # rows stay apart through all layers: of rows that are alike, a pool's gradient is mere rounding
                gain = 5 if "ws2" in name else 0.3 if "attention.output" in name else 1
                values.copy_(gain * noise / values.shape[1] ** 0.5)
    return network
