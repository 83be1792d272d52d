"""What an ONNX file may name: operators that compute and do nothing else. Runs in the vetting child.

Of the domains of the standard (https://onnx.ai/onnx/operators) that is every operator. ONNX Runtime's own are those of
its release 1.31 without `EPContext`, `Snpe` and the like, which hand a file or a blob to another runtime.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from models.errors import ModelFault, ModelRejected, one_line

_STANDARD = ("", "ai.onnx", "ai.onnx.ml")
_OWN = frozenset(
    """
Attention AttnLSTM BeamSearch BiasAdd BiasDropout BiasGelu BiasSoftmax BiasSplitGelu BifurcationDetector
BitmaskBiasDropout BitmaskDropout BranchwiseRMSNorm CDist CausalConvWithState ComplexMul ComplexMulConj
ConvTransposeWithDynamicPads CropAndResize DecoderAttention DecoderMaskedMultiHeadAttention DecoderMaskedSelfAttention
DequantizeBFP DequantizeLinear DequantizeWithOrder DynamicQuantizeLSTM DynamicQuantizeMatMul DynamicSparseAttention
DynamicTimeWarping EmbedLayerNormalization EngramGate ExpandDims FastGelu FusedConv FusedGemm FusedMatMul
FusedMatMulActivation GatedAdd GatedDeltaNet GatedRMSNorm GatedRelativePositionBias GatherBlockQuantized GatherND Gelu
GemmFastGelu GemmFloat8 GemmaRotaryEmbedding GreedySearch GridSample GroupNorm GroupQueryAttention
HyperConnectionPostMix HyperConnectionPreMix Inverse Irfft IsAllFinite LinearAttention LinearAttentionGate
LongformerAttention MRotaryEmbedding MatMulBlockQuantizedFp4Weight MatMulBlockQuantizedFp8Weight MatMulBnb4 MatMulFpQ4
MatMulInteger16 MatMulIntegerToFloat MatMulNBits MatMulNBitsMlp MatMulNBitsQkv MaxpoolWithMask MoE MulInteger
MultiHeadAttention MurmurHash3 NGramHashMapping NGramRepeatBlock NhwcConv NhwcFusedConv NhwcMaxPool PackedAttention
PackedMultiHeadAttention PackedSparseAttentionIndexer Pad PagedAttention QAttention QEmbedLayerNormalization QGemm
QLinearAdd QLinearAveragePool QLinearConcat QLinearConv QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul
QLinearReduceMean QLinearSigmoid QLinearSoftmax QLinearWhere QMoE QOrderedAttention QOrderedGelu
QOrderedLayerNormalization QOrderedLongformerAttention QOrderedMatMul QuantizeBFP QuantizeLinear QuantizeWithOrder
QuickGelu Range ReduceSumInteger RelativePositionBias RemovePadding RestorePadding Rfft RotaryEmbedding Sampling
ScaledSiLU SkipGroupNorm SkipLayerNormalization SkipSimplifiedLayerNormalization SparseAttention
SparseAttentionIndexer SparsePagedAttention SparseToDenseMatMul Tokenizer TorchEmbedding TransposeMatMul Trilu
UnfoldTensor Unique VarlenCausalConvWithState VarlenNGramHashMapping WhisperBeamSearch WordConvEmbedding
""".split()  # noqa: SIM905
)
_LAYOUTS = frozenset(
    """
AveragePool BatchNormalization Conv ConvTranspose DepthToSpace GlobalAveragePool GlobalLpPool GlobalMaxPool GridSample
InstanceNormalization LRN LpPool MaxPool MaxUnpool QLinearAveragePool QLinearConv QLinearConvTranspose ReorderInput
ReorderOutput Resize SpaceToDepth Upsample
""".split()  # noqa: SIM905
)
"""What ONNX Runtime writes into models that it has optimized."""
_KNOWN = {"com.microsoft": _OWN, "com.microsoft.nchwc": _LAYOUTS, "com.ms.internal.nhwc": _LAYOUTS}


def require_known_operators(model: Any) -> None:
    """Refuses a model with an operator that may do more than compute, wherever in it that is.

    Args:
        model: an `onnx.ModelProto`.

    Raises:
        ModelRejected: `unsafe_code`; of a domain that nobody knows `unsupported_layer`.
    """
    functions = {(function.domain, function.name) for function in model.functions}
    for node in nodes_of(model):
        if node.domain in _STANDARD or (node.domain, node.op_type) in functions:
            continue
        if node.op_type in _KNOWN.get(node.domain, ()):
            continue
        named = one_line(f"{node.domain}:{node.op_type}", 100)
        if node.domain in _KNOWN:
            raise ModelRejected(
                ModelFault.UNSAFE_CODE, f"uses {named}, which may do more than compute; export it for CPUs, without it"
            )
        raise ModelRejected(
            ModelFault.UNSUPPORTED_LAYER, f"uses {named}, which no engine here knows; export it with standard operators"
        )


def nodes_of(model: Any) -> Iterator[Any]:
    """Every node of a model: of its graph, of what it was trained by, of its functions, and of graphs within nodes."""
    return (each for graph in graphs_of(model) for each in graph.node)


def graphs_of(model: Any) -> Iterator[Any]:
    """Every graph and function of a model, those within nodes and within a function's own attributes too."""
    waiting: list[Any] = [model.graph, *model.functions]
    for training in model.training_info:
        waiting += [training.initialization, training.algorithm]
    while waiting:
        graph = waiting.pop()
        yield graph
        for attribute in attributes_of(graph):
            waiting += [attribute.g] * attribute.HasField("g") + list(attribute.graphs)


def attributes_of(graph: Any) -> Iterator[Any]:
    """The attributes of a graph's nodes, and those that a function has by default."""
    for node in graph.node:
        yield from node.attribute
    yield from getattr(graph, "attribute_proto", ())
