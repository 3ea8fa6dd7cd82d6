"""Building blocks of networks (``torch.nn``)."""

from ..wont import Absent
from . import functional as functional
from . import init as init
from . import modules as modules
from . import parameter as parameter
from . import utils as utils
from .activations import CELU as CELU
from .activations import ELU as ELU
from .activations import GELU as GELU
from .activations import GLU as GLU
from .activations import SELU as SELU
from .activations import Hardshrink as Hardshrink
from .activations import Hardsigmoid as Hardsigmoid
from .activations import Hardswish as Hardswish
from .activations import Hardtanh as Hardtanh
from .activations import LeakyReLU as LeakyReLU
from .activations import LogSigmoid as LogSigmoid
from .activations import LogSoftmax as LogSoftmax
from .activations import Mish as Mish
from .activations import PReLU as PReLU
from .activations import ReLU as ReLU
from .activations import ReLU6 as ReLU6
from .activations import RReLU as RReLU
from .activations import Sigmoid as Sigmoid
from .activations import SiLU as SiLU
from .activations import Softmax as Softmax
from .activations import Softmax2d as Softmax2d
from .activations import Softmin as Softmin
from .activations import Softplus as Softplus
from .activations import Softshrink as Softshrink
from .activations import Softsign as Softsign
from .activations import Tanh as Tanh
from .activations import Tanhshrink as Tanhshrink
from .activations import Threshold as Threshold
from .adaptive import AdaptiveLogSoftmaxWithLoss as AdaptiveLogSoftmaxWithLoss
from .containers import ModuleDict as ModuleDict
from .containers import ModuleList as ModuleList
from .containers import ParameterDict as ParameterDict
from .containers import ParameterList as ParameterList
from .containers import Sequential as Sequential
from .conv import Conv1d as Conv1d
from .conv import Conv2d as Conv2d
from .conv import Conv3d as Conv3d
from .conv import ConvTranspose1d as ConvTranspose1d
from .conv import ConvTranspose2d as ConvTranspose2d
from .conv import ConvTranspose3d as ConvTranspose3d
from .conv import LazyConv1d as LazyConv1d
from .conv import LazyConv2d as LazyConv2d
from .conv import LazyConv3d as LazyConv3d
from .conv import LazyConvTranspose1d as LazyConvTranspose1d
from .conv import LazyConvTranspose2d as LazyConvTranspose2d
from .conv import LazyConvTranspose3d as LazyConvTranspose3d
from .distance import CosineSimilarity as CosineSimilarity
from .distance import PairwiseDistance as PairwiseDistance
from .dropout import AlphaDropout as AlphaDropout
from .dropout import Dropout as Dropout
from .dropout import Dropout1d as Dropout1d
from .dropout import Dropout2d as Dropout2d
from .dropout import Dropout3d as Dropout3d
from .dropout import FeatureAlphaDropout as FeatureAlphaDropout
from .embedding import Embedding as Embedding
from .embedding import EmbeddingBag as EmbeddingBag
from .folding import Fold as Fold
from .folding import Unfold as Unfold
from .linear import Bilinear as Bilinear
from .linear import Identity as Identity
from .linear import LazyLinear as LazyLinear
from .linear import Linear as Linear
from .losses import BCELoss as BCELoss
from .losses import BCEWithLogitsLoss as BCEWithLogitsLoss
from .losses import CosineEmbeddingLoss as CosineEmbeddingLoss
from .losses import CrossEntropyLoss as CrossEntropyLoss
from .losses import CTCLoss as CTCLoss
from .losses import GaussianNLLLoss as GaussianNLLLoss
from .losses import HingeEmbeddingLoss as HingeEmbeddingLoss
from .losses import HuberLoss as HuberLoss
from .losses import KLDivLoss as KLDivLoss
from .losses import L1Loss as L1Loss
from .losses import LinearCrossEntropyLoss as LinearCrossEntropyLoss
from .losses import MarginRankingLoss as MarginRankingLoss
from .losses import MSELoss as MSELoss
from .losses import MultiLabelMarginLoss as MultiLabelMarginLoss
from .losses import MultiLabelSoftMarginLoss as MultiLabelSoftMarginLoss
from .losses import MultiMarginLoss as MultiMarginLoss
from .losses import NLLLoss as NLLLoss
from .losses import NLLLoss2d as NLLLoss2d
from .losses import PoissonNLLLoss as PoissonNLLLoss
from .losses import SmoothL1Loss as SmoothL1Loss
from .losses import SoftMarginLoss as SoftMarginLoss
from .losses import TripletMarginLoss as TripletMarginLoss
from .losses import TripletMarginWithDistanceLoss as TripletMarginWithDistanceLoss
from .module import Module as Module
from .multihead import MultiheadAttention as MultiheadAttention
from .normalization import BatchNorm1d as BatchNorm1d
from .normalization import BatchNorm2d as BatchNorm2d
from .normalization import BatchNorm3d as BatchNorm3d
from .normalization import CrossMapLRN2d as CrossMapLRN2d
from .normalization import GroupNorm as GroupNorm
from .normalization import InstanceNorm1d as InstanceNorm1d
from .normalization import InstanceNorm2d as InstanceNorm2d
from .normalization import InstanceNorm3d as InstanceNorm3d
from .normalization import LayerNorm as LayerNorm
from .normalization import LazyBatchNorm1d as LazyBatchNorm1d
from .normalization import LazyBatchNorm2d as LazyBatchNorm2d
from .normalization import LazyBatchNorm3d as LazyBatchNorm3d
from .normalization import LazyInstanceNorm1d as LazyInstanceNorm1d
from .normalization import LazyInstanceNorm2d as LazyInstanceNorm2d
from .normalization import LazyInstanceNorm3d as LazyInstanceNorm3d
from .normalization import LocalResponseNorm as LocalResponseNorm
from .normalization import RMSNorm as RMSNorm
from .normalization import SyncBatchNorm as SyncBatchNorm
from .padding import CircularPad1d as CircularPad1d
from .padding import CircularPad2d as CircularPad2d
from .padding import CircularPad3d as CircularPad3d
from .padding import ConstantPad1d as ConstantPad1d
from .padding import ConstantPad2d as ConstantPad2d
from .padding import ConstantPad3d as ConstantPad3d
from .padding import ReflectionPad1d as ReflectionPad1d
from .padding import ReflectionPad2d as ReflectionPad2d
from .padding import ReflectionPad3d as ReflectionPad3d
from .padding import ReplicationPad1d as ReplicationPad1d
from .padding import ReplicationPad2d as ReplicationPad2d
from .padding import ReplicationPad3d as ReplicationPad3d
from .padding import ZeroPad1d as ZeroPad1d
from .padding import ZeroPad2d as ZeroPad2d
from .padding import ZeroPad3d as ZeroPad3d
from .parameter import Buffer as Buffer
from .parameter import Parameter as Parameter
from .parameter import UninitializedBuffer as UninitializedBuffer
from .parameter import UninitializedParameter as UninitializedParameter
from .pooling import AdaptiveAvgPool1d as AdaptiveAvgPool1d
from .pooling import AdaptiveAvgPool2d as AdaptiveAvgPool2d
from .pooling import AdaptiveAvgPool3d as AdaptiveAvgPool3d
from .pooling import AdaptiveMaxPool1d as AdaptiveMaxPool1d
from .pooling import AdaptiveMaxPool2d as AdaptiveMaxPool2d
from .pooling import AdaptiveMaxPool3d as AdaptiveMaxPool3d
from .pooling import AvgPool1d as AvgPool1d
from .pooling import AvgPool2d as AvgPool2d
from .pooling import AvgPool3d as AvgPool3d
from .pooling import FractionalMaxPool2d as FractionalMaxPool2d
from .pooling import FractionalMaxPool3d as FractionalMaxPool3d
from .pooling import LPPool1d as LPPool1d
from .pooling import LPPool2d as LPPool2d
from .pooling import LPPool3d as LPPool3d
from .pooling import MaxPool1d as MaxPool1d
from .pooling import MaxPool2d as MaxPool2d
from .pooling import MaxPool3d as MaxPool3d
from .pooling import MaxUnpool1d as MaxUnpool1d
from .pooling import MaxUnpool2d as MaxUnpool2d
from .pooling import MaxUnpool3d as MaxUnpool3d
from .recurrent import GRU as GRU
from .recurrent import LSTM as LSTM
from .recurrent import RNN as RNN
from .recurrent import GRUCell as GRUCell
from .recurrent import LSTMCell as LSTMCell
from .recurrent import RNNBase as RNNBase
from .recurrent import RNNCell as RNNCell
from .recurrent import RNNCellBase as RNNCellBase
from .shape import ChannelShuffle as ChannelShuffle
from .shape import Flatten as Flatten
from .shape import PixelShuffle as PixelShuffle
from .shape import PixelUnshuffle as PixelUnshuffle
from .shape import Unflatten as Unflatten
from .transformer import Transformer as Transformer
from .transformer import TransformerDecoder as TransformerDecoder
from .transformer import TransformerDecoderLayer as TransformerDecoderLayer
from .transformer import TransformerEncoder as TransformerEncoder
from .transformer import TransformerEncoderLayer as TransformerEncoderLayer
from .upsampling import Upsample as Upsample
from .upsampling import UpsamplingBilinear2d as UpsamplingBilinear2d
from .upsampling import UpsamplingNearest2d as UpsamplingNearest2d

modules.fill()


def __getattr__(name: str) -> object:
    """What few programs need is imported when it is asked for."""
    from importlib import import_module

    if name in ("_reduction", "attention", "grad", "quantized"):
        return import_module(f"kuai.nn.{name}")
    if name == "LinearCrossEntropyOptions":
        return import_module("kuai.nn.functions.linear_loss").LinearCrossEntropyOptions
    if name in ("parallel", "DataParallel"):
        found = import_module("kuai.nn.parallel")
        return found if name == "parallel" else found.DataParallel
    raise Absent(__name__, name)
